package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"

	"samdok/internal/config"
	"samdok/internal/datadir"
	"samdok/internal/disk"
	"samdok/metadata"
)

// identityName is the file in the data folder that says whose data it is.
const identityName = datadir.Identity

// identity is settled when a data folder is made. Other settings may change from
// start to start; these may not, because stored data rests on them.
type identity struct {
	Format             int    `json:"format"` // of the data folder as a whole
	Tenant             string `json:"tenant"`
	HomeCommunityID    string `json:"homeCommunityId"`
	RepositoryUniqueID string `json:"repositoryUniqueId"`
	Encryption         bool   `json:"encryption"`
	// RegistryElsewhere: what is in the log are holdings of a repository whose
	// registry is somebody else's.
	RegistryElsewhere bool `json:"registryElsewhere,omitempty"`
	// Scaled: the data is in a store that many nodes share; the folder is one node's.
	Scaled bool `json:"scaled,omitempty"`
}

const dataFormat = 1

// loadIdentity reads the folder's identity, or makes and keeps one. The caller
// holds the folder's lock. created tells which.
func loadIdentity(dir string, c *config.Config) (id identity, created bool, err error) {
	path := filepath.Join(dir, identityName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		id = newIdentity(c)
		return id, true, id.save(dir)
	}
	if err != nil {
		return id, false, fmt.Errorf("data folder: %w", err)
	}
	if err := json.Unmarshal(b, &id); err != nil {
		return id, false, fmt.Errorf("%s is damaged: %w; restore it from a backup", path, err)
	}
	return id, false, id.check(dir, c)
}

func newIdentity(c *config.Config) identity {
	id := identity{Format: dataFormat, Tenant: c.Tenant, HomeCommunityID: c.HomeCommunityID, RepositoryUniqueID: c.RepositoryUniqueID, Encryption: c.Encryption, RegistryElsewhere: !c.HasRegistry(), Scaled: c.Scaled()}
	if id.HomeCommunityID == "" {
		id.HomeCommunityID = "urn:oid:" + newOID()
	}
	if id.RepositoryUniqueID == "" {
		id.RepositoryUniqueID = newOID()
	}
	return id
}

// check refuses settings that contradict what is stored.
func (id identity) check(where string, c *config.Config) error {
	other := "data folder"
	if c.Scaled() {
		other = "bucket"
	}
	differs := func(setting, stored, wanted string) error {
		return fmt.Errorf("setting %s is %s (from %s), but the data in %s was made with %s; correct the setting, or choose another %s",
			setting, wanted, c.Source(setting), where, stored, other)
	}
	switch {
	case id.Format != dataFormat:
		return fmt.Errorf("the data in %s has format %d, this program knows %d; use the version of samdok that made it, or a newer one", where, id.Format, dataFormat)
	case id.Scaled != c.Scaled():
		return differs("storage", map[bool]string{true: config.StorageScaled, false: config.StorageEmbedded}[id.Scaled], c.Storage)
	case id.Tenant != c.Tenant:
		return differs("tenant", id.Tenant, c.Tenant)
	case id.Encryption != c.Encryption:
		return differs("encryption", onOff(id.Encryption), onOff(c.Encryption))
	case id.RegistryElsewhere == c.HasRegistry():
		return differs("roles", map[bool]string{true: "the registry elsewhere", false: "a registry of its own"}[id.RegistryElsewhere], c.Roles)
	case c.RepositoryUniqueID != "" && c.RepositoryUniqueID != id.RepositoryUniqueID:
		return differs("repository-unique-id", id.RepositoryUniqueID, c.RepositoryUniqueID)
	case c.HomeCommunityID != "" && c.HomeCommunityID != id.HomeCommunityID:
		return differs("home-community-id", id.HomeCommunityID, c.HomeCommunityID)
	}
	return nil
}

// save makes the file durable before anything is stored that rests on it.
func (id identity) save(dir string) error {
	b, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, identityName)
	if err := writeDurably(path, append(b, '\n')); err != nil {
		return fmt.Errorf("data folder: %s cannot be written: %w", path, err)
	}
	return nil
}

func writeDurably(path string, b []byte) (err error) {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return disk.OS{}.SyncDir(filepath.Dir(path))
}

// newOID is a random UUID as an OID under 2.25 (ITU-T X.667): nobody else has it.
func newOID() string {
	u := metadata.NewUUID()
	return "2.25." + new(big.Int).SetBytes(u[:]).String()
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
