package wsnt

import (
	"strings"
	"time"
)

// When is the time at which a subscription shall end: a point of time or, counted
// from now, a duration. The zero value asks for none.
type When struct {
	At         time.Time
	Months     int
	Rest       time.Duration // what months are not
	isDuration bool
}

// IsZero: the sender leaves it to the broker.
func (w When) IsZero() bool { return w.At.IsZero() && !w.isDuration }

// From is the point of time.
func (w When) From(now time.Time) time.Time {
	if !w.isDuration {
		return w.At
	}
	return now.AddDate(0, w.Months, 0).Add(w.Rest)
}

// After is a duration from now.
func After(d time.Duration) When { return When{Rest: d, isDuration: true} }

// maxWhen bounds a duration, so that sums do not overflow: a century.
const maxWhen = 100 * 366 * 24 * time.Hour

// parseWhen reads xsd:dateTime or xsd:duration.
func parseWhen(s string) (When, bool) {
	if strings.HasPrefix(s, "P") {
		return parseDuration(s[1:])
	}
	for _, form := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} { // without a zone: UTC
		if t, err := time.Parse(form, s); err == nil && t.Year() > 0 {
			return When{At: t.UTC()}, true
		}
	}
	return When{}, false
}

// parseDuration reads what stands behind the P. Days have 24 hours here; negative
// durations are refused like all others that lead nowhere.
func parseDuration(s string) (When, bool) {
	w := When{isDuration: true}
	date, clock, hasClock := strings.Cut(s, "T")
	months, ok1 := fields(date, "YMD")
	times, ok2 := fields(clock, "HMS")
	if !ok1 || !ok2 || s == "" || hasClock && clock == "" {
		return When{}, false
	}
	const most = 1200
	if months[0] > most/12 || months[1] > most {
		return When{}, false
	}
	w.Months = int(months[0])*12 + int(months[1])
	seconds := months[2]*86400 + times[0]*3600 + times[1]*60 + times[2]
	if seconds > maxWhen.Seconds() || w.Months > most {
		return When{}, false
	}
	w.Rest = time.Duration(seconds * float64(time.Second))
	return w, true
}

// fields reads numbers, each with one of the units behind it, in their order. Only
// the last unit may have a fraction.
func fields(s, units string) (out [3]float64, ok bool) {
	next := 0
	for s != "" {
		n, scale, digits, dot := 0.0, 1.0, 0, false
		i := 0
		for ; i < len(s); i++ {
			switch c := s[i]; {
			case c >= '0' && c <= '9' && digits < 15:
				n, digits = n*10+float64(c-'0'), digits+1
				if dot {
					scale *= 10
				}
				continue
			case c == '.' && !dot && digits > 0:
				dot = true
				continue
			}
			break
		}
		if i == len(s) || digits == 0 {
			return out, false
		}
		unit := strings.IndexByte(units[next:], s[i])
		if unit < 0 || dot && s[i] != 'S' {
			return out, false
		}
		out[next+unit] = n / scale
		next += unit + 1
		s = s[i+1:]
	}
	return out, true
}
