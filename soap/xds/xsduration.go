package xds

import (
	"strconv"
	"strings"
	"time"
)

// durationOf writes an xs:duration of whole seconds.
func durationOf(d time.Duration) string {
	return "PT" + strconv.FormatInt(int64(d/time.Second), 10) + "S"
}

// longest is the longest time that timeOf reads.
const longest = 100 * 365 * 24 * time.Hour

// timeOf reads an xs:duration such as P0Y0M7D or PT1H30M; a month has 30 days, a year
// 365. What is none, or negative, is no time.
func timeOf(s string) time.Duration {
	rest, ok := strings.CutPrefix(s, "P")
	if !ok {
		return 0
	}
	date, clock, _ := strings.Cut(rest, "T")
	const day = 24 * time.Hour
	total, fine := sum(date, map[byte]time.Duration{'Y': 365 * day, 'M': 30 * day, 'D': day})
	more, also := sum(clock, map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second})
	if !fine || !also {
		return 0
	}
	return min(total+more, longest)
}

// sum adds numbers with units behind them.
func sum(s string, units map[byte]time.Duration) (total time.Duration, ok bool) {
	for s != "" {
		end := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if end < 1 || units[s[end]] == 0 {
			return 0, false
		}
		n, err := strconv.ParseFloat(s[:end], 64)
		unit := units[s[end]]
		if err != nil {
			return 0, false
		}
		if n > float64(longest/unit) {
			return longest, true
		}
		total = min(total+time.Duration(n*float64(unit)), longest)
		s = s[end+1:]
	}
	return total, true
}
