package audit

// kindNames, outcomeNames and partNames are for people and for scripts.
var (
	kindNames    = [...]string{"use", "start", "stop", "config", "policy", "key", "read-log", "export", "erase", "verify"}
	outcomeNames = [...]string{"unknown", "success", "partial-success", "denied", "failed", "error", "panic", "aborted"}
	partNames    = [...]string{"", "succeeded", "failed"}
)

func (k Kind) String() string    { return name(kindNames[:], int(k)) }
func (o Outcome) String() string { return name(outcomeNames[:], int(o)) }
func (p Part) String() string    { return name(partNames[:], int(p)) }

func name(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "unknown"
}
