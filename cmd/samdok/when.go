package main

import (
	"strings"
	"time"

	"samdok/metadata"
)

// layouts are the ways in which people write times; those without a zone are in
// the profile's zone.
var layouts = [...]struct {
	layout string
	digits int // of the DTM that it is exact to
}{
	{time.RFC3339, 14}, {"2006-01-02T15:04Z07:00", 12},
	{"2006-01-02 15:04:05", 14}, {"2006-01-02T15:04:05", 14}, {"2006-01-02 15:04", 12}, {"2006-01-02T15:04", 12},
	{"02.01.2006 15:04:05", 14}, {"02.01.2006 15:04", 12}, {"2006-01-02", 8}, {"02.01.2006", 8},
}

// parseWhen makes a DTM, which is in UTC, of what a person writes. A date without
// a time stays a date. A DTM is taken as it is.
func (c *cli) parseWhen(s string, zone *time.Location) (metadata.DTM, error) {
	s = strings.TrimSpace(s)
	if d := metadata.DTM(s); d.Valid() {
		return d, nil
	}
	for _, l := range layouts {
		t, err := time.ParseInLocation(l.layout, s, zone)
		if err != nil {
			continue
		}
		if l.digits == 8 {
			return metadata.DTM(t.Format("20060102")), nil
		}
		return metadata.FormatDTM(t)[:l.digits], nil
	}
	return "", c.usage("%q is not a time; write 2026-11-22, 2026-11-22 10:15 or 20261122091500 (UTC)", "%q er ikke et tidspunkt; skriv 2026-11-22, 22.11.2026 10:15 eller 20261122091500 (UTC)", s)
}

// parseBound is parseWhen for a limit of a search: a date is the local midnight
// that begins it, one day later for the end of a range.
func (c *cli) parseBound(s string, zone *time.Location, end bool) (metadata.DTM, error) {
	d, err := c.parseWhen(s, zone)
	if err != nil || len(d) != 8 {
		return d, err
	}
	t, err := time.ParseInLocation("20060102", string(d), zone)
	if err != nil {
		return "", err
	}
	if end {
		t = t.AddDate(0, 0, 1)
	}
	return metadata.FormatDTM(t), nil
}
