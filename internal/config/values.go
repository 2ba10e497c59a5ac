package config

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"samdok/internal/outward"
	"samdok/metadata"
)

// units of SIZE, largest first.
var units = [...]struct {
	name   string
	octets int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// ParseSize reads a number of octets: "4096", "64KiB", "5 GiB" (also "5G").
func ParseSize(s string) (int64, error) {
	text := strings.TrimSpace(s)
	factor := int64(1)
	for _, u := range units {
		long, short := u.name, u.name[:1]
		cut, ok := cutSuffixFold(text, long)
		if !ok && u.octets > 1 {
			cut, ok = cutSuffixFold(text, short)
		}
		if ok {
			text, factor = strings.TrimSpace(cut), u.octets
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return 0, fmt.Errorf("%q is not a size; write a number with KiB, MiB or GiB, such as 64MiB", s)
	}
	return n * factor, nil
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if len(s) < len(suffix) || !strings.EqualFold(s[len(s)-len(suffix):], suffix) {
		return s, false
	}
	return s[:len(s)-len(suffix)], true
}

// FormatSize prints octets in the largest unit that divides them.
func FormatSize(n int64) string {
	for _, u := range units {
		if n >= u.octets && n%u.octets == 0 && u.octets > 1 {
			return strconv.FormatInt(n/u.octets, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// The functions below make the set and get halves of a row from a field.

func text(field func(*Config) *string) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error { *field(c) = v; return nil },
		func(c *Config) string { return *field(c) }
}

func secret(field func(*Config) *Secret) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error { *field(c) = Secret(strings.TrimSpace(v)); return nil },
		func(c *Config) string { return string(*field(c)) }
}

func choice(field func(*Config) *string, allowed ...string) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
			for _, a := range allowed {
				if v == a {
					*field(c) = v
					return nil
				}
			}
			return fmt.Errorf("%q is not one of %s", v, strings.Join(allowed, ", "))
		},
		func(c *Config) string { return *field(c) }
}

// choiceOrFile is choice, or the path of a file with the given ending.
func choiceOrFile(field func(*Config) *string, ending string, allowed ...string) (func(*Config, string) error, func(*Config) string) {
	set, get := choice(field, allowed...)
	return func(c *Config, v string) error {
		if strings.HasSuffix(v, ending) && len(v) > len(ending) {
			*field(c) = v
			return nil
		}
		if err := set(c, v); err != nil {
			return fmt.Errorf("%w, nor the path of a %s file", err, ending)
		}
		return nil
	}, get
}

func onOff(field func(*Config) *bool) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
			switch v {
			case "on", "true", "yes":
				*field(c) = true
			case "off", "false", "no":
				*field(c) = false
			default:
				return fmt.Errorf("%q is neither on nor off", v)
			}
			return nil
		},
		func(c *Config) string {
			if *field(c) {
				return "on"
			}
			return "off"
		}
}

func size(field func(*Config) *int64) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
			n, err := ParseSize(v)
			if err != nil {
				return err
			}
			if n == 0 {
				return fmt.Errorf("must be more than 0")
			}
			*field(c) = n
			return nil
		},
		func(c *Config) string { return FormatSize(*field(c)) }
}

func smallSize(field func(*Config) *int) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
			n, err := ParseSize(v)
			if err != nil {
				return err
			}
			if n == 0 || n > math.MaxInt32 {
				return fmt.Errorf("must be between 1 and 2GiB")
			}
			*field(c) = int(n)
			return nil
		},
		func(c *Config) string { return FormatSize(int64(*field(c))) }
}

func count(field func(*Config) *int) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
			n, err := strconv.Atoi(strings.ReplaceAll(v, "_", ""))
			if err != nil || n < 1 || n > math.MaxInt32 {
				return fmt.Errorf("%q is not a whole number of at least 1", v)
			}
			*field(c) = n
			return nil
		},
		func(c *Config) string { return strconv.Itoa(*field(c)) }
}

func percent(field func(*Config) *int) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 || n > 100 {
				return fmt.Errorf("%q is not a whole number from 1 to 100", v)
			}
			*field(c) = n
			return nil
		},
		func(c *Config) string { return strconv.Itoa(*field(c)) }
}

func percentOrNone(field func(*Config) *int) (func(*Config, string) error, func(*Config) string) {
	set, get := percent(field)
	return func(c *Config, v string) error {
		if v == "0" {
			*field(c) = 0
			return nil
		}
		return set(c, v)
	}, get
}

func countOrNone(field func(*Config) *int) (func(*Config, string) error, func(*Config) string) {
	set, get := count(field)
	return func(c *Config, v string) error {
		if v == "0" {
			*field(c) = 0
			return nil
		}
		return set(c, v)
	}, get
}

func receivers(field func(*Config) *Outward) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
			all, err := outward.ParseAllowed(v)
			if err == nil {
				field(c).Allow, field(c).AllowText = all, v
			}
			return err
		},
		func(c *Config) string { return field(c).AllowText }
}

func networks(field func(*Config) *outward.Networks) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) (err error) {
			*field(c), err = outward.ParseNetworks(v)
			return err
		},
		func(c *Config) string { return field(c).String() }
}

func rate(field func(*Config) *float64) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
			n, err := strconv.ParseFloat(v, 64)
			if err != nil || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
				return fmt.Errorf("%q is not a number of requests per second (0 for no limit)", v)
			}
			*field(c) = n
			return nil
		},
		func(c *Config) string { return strconv.FormatFloat(*field(c), 'f', -1, 64) }
}

func duration(field func(*Config) *time.Duration, least time.Duration) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
			d, err := time.ParseDuration(v)
			if err != nil {
				return fmt.Errorf("%q is not a duration; write one like 30s, 5m or 24h", v)
			}
			if d < least {
				return fmt.Errorf("must be at least %s", formatDuration(least))
			}
			*field(c) = d
			return nil
		},
		func(c *Config) string { return formatDuration(*field(c)) }
}

func address(field func(*Config) *string, mayBeOff bool) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
			if mayBeOff && v == "off" {
				*field(c) = ""
				return nil
			}
			_, port, err := net.SplitHostPort(v)
			if err != nil {
				return fmt.Errorf("%q is not HOST:PORT; write one like 127.0.0.1:8080 (port 0 picks a free one)", v)
			}
			if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
				return fmt.Errorf("%q is not a port between 0 and 65535", port)
			}
			*field(c) = v
			return nil
		},
		func(c *Config) string {
			if v := *field(c); v != "" || !mayBeOff {
				return v
			}
			return "off"
		}
}

func webAddress(field func(*Config) *string) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
			v = strings.TrimRight(v, "/")
			u, err := url.Parse(v)
			if v != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery != "" || u.Fragment != "") {
				return fmt.Errorf("%q is not a web address; write one like https://xds.example.no", v)
			}
			*field(c) = v
			return nil
		},
		func(c *Config) string { return *field(c) }
}

func codes(field func(*Config) *Codes) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
			*field(c) = Codes{Any: v == "any"}
			if v == "any" || v == "off" {
				return nil
			}
			for _, one := range strings.Split(v, ",") {
				value, scheme, ok := strings.Cut(strings.TrimSpace(one), "^^")
				if !ok || value == "" || scheme == "" {
					return fmt.Errorf("%q is not a code; write any, off, or codes with their scheme, such as 60591-5^^2.16.840.1.113883.6.1", one)
				}
				field(c).List = append(field(c).List, metadata.CodeRef{Value: value, Scheme: scheme})
			}
			return nil
		},
		func(c *Config) string {
			switch f := *field(c); {
			case f.Any:
				return "any"
			case len(f.List) == 0:
				return "off"
			default:
				var list []string
				for _, code := range f.List {
					list = append(list, code.Value+"^^"+code.Scheme)
				}
				return strings.Join(list, ",")
			}
		}
}

func oid(field func(*Config) *string, urn bool) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
			bare := strings.TrimPrefix(v, "urn:oid:")
			if v != "" && !validOID(bare) {
				return fmt.Errorf("%q is not an OID such as 2.16.578.1.12.4.1.7.1", v)
			}
			if urn && bare != "" {
				bare = "urn:oid:" + bare
			}
			*field(c) = bare
			return nil
		},
		func(c *Config) string { return *field(c) }
}

// authorities are OIDs, each with its namespace before a "=" if it has one.
func authorities(field func(*Config) *[]Authority) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
			var all []Authority
			for _, one := range strings.Split(v, ",") {
				name, oid, named := strings.Cut(strings.TrimSpace(one), "=")
				if !named {
					name, oid = "", name
				}
				a := Authority{strings.TrimSpace(name), strings.TrimPrefix(strings.TrimSpace(oid), "urn:oid:")}
				switch {
				case strings.TrimSpace(v) == "":
					continue
				case !validOID(a.OID) || named && a.Name == "":
					return fmt.Errorf("%q is not an OID, or a namespace and an OID such as FNR=2.16.578.1.12.4.1.4.1", strings.TrimSpace(one))
				}
				all = append(all, a)
			}
			*field(c) = all
			return nil
		},
		func(c *Config) string {
			var b strings.Builder
			for i, a := range *field(c) {
				if i > 0 {
					b.WriteString(",")
				}
				if a.Name != "" {
					b.WriteString(a.Name + "=")
				}
				b.WriteString(a.OID)
			}
			return b.String()
		}
}

// validOID checks ISO/IEC 9834-1's dotted form: arcs without leading zeros, at
// most 64 characters (ITI TF-3 4.2.3.1.6 keeps that length).
func validOID(s string) bool {
	if len(s) > 64 || s == "" || s[0] > '2' {
		return false
	}
	arcs := strings.Split(s, ".")
	if len(arcs) < 2 {
		return false
	}
	for _, a := range arcs {
		if a == "" || (len(a) > 1 && a[0] == '0') {
			return false
		}
		for i := range len(a) {
			if a[i] < '0' || a[i] > '9' {
				return false
			}
		}
	}
	return arcs[0] == "2" || len(arcs[1]) < 2 || (len(arcs[1]) == 2 && arcs[1] < "40")
}

// mailboxes reads "off", "any" or ids with commas between them.
func mailboxes(field func(*Config) *Mailbox) (func(*Config, string) error, func(*Config) string) {
	return func(c *Config, v string) error {
			m := field(c)
			m.On, m.Any, m.Organisations = v != "off", v == "any", nil
			if !m.On || m.Any {
				return nil
			}
			for id := range strings.SplitSeq(v, ",") {
				if id = strings.TrimSpace(id); id == "" {
					return fmt.Errorf("%q is not off, any or a list of ids like 974749025,983974899", v)
				}
				m.Organisations = append(m.Organisations, id)
			}
			return nil
		}, func(c *Config) string {
			switch m := field(c); {
			case m.Any:
				return "any"
			case m.On:
				return strings.Join(m.Organisations, ",")
			}
			return "off"
		}
}
