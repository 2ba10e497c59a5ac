package storagetest

import "os"

// Long tells whether tests may take long: `./test --long` sets SAMDOK_LONG.
func Long() bool { return os.Getenv("SAMDOK_LONG") != "" }
