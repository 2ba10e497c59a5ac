package discovery

import (
	"testing"
	"time"

	"samdok/metadata"
)

func person(family, given, birth, sex string) Person {
	return Person{Names: []Name{{family, given}}, Birth: metadata.DTM(birth), Gender: sex}
}

func TestOf(t *testing.T) {
	p := Of([]string{"PID-3|1^^^&1.2&ISO", "PID-5|NORD-MANN&van^Kari^Anne", "PID-7|19800131120000", "PID-8|F", "PID-11|Storgata 1^^Oslo^^0155^NO", "x", "PID-7|"})
	if len(p.Names) != 1 || p.Names[0] != (Name{"NORD-MANN", "Kari Anne"}) || p.Birth != "19800131120000" || p.Gender != "F" ||
		len(p.Addresses) != 1 || p.Addresses[0] != (Address{"Storgata 1", "Oslo", "0155", "", "NO"}) {
		t.Errorf("%+v", p)
	}
	if p := Of(nil); len(p.Names) != 0 {
		t.Errorf("%+v", p)
	}
}

func TestDegree(t *testing.T) {
	known := person("Nordmann", "Kari Anne", "19800131", "F")
	for name, c := range map[string]struct {
		asked Person
		known Person
		byID  bool
		want  int
	}{
		"all":                  {person("NORDMANN", "kari", "19800131", "F"), known, false, 90},
		"no gender":            {person("Nordmann", "Kari", "19800131", ""), known, false, 85},
		"signs":                {person("Nord-Mann", "Kari-Anne", "19800131", ""), known, false, 85},
		"family only":          {person("Nordmann", "", "19800131", ""), known, false, 85},
		"a year":               {person("Nordmann", "Kari", "1980", ""), known, false, 85},
		"other day":            {person("Nordmann", "Kari", "19800130", ""), known, false, 0},
		"other family":         {person("Normann", "Kari", "19800131", ""), known, false, 0},
		"other given":          {person("Nordmann", "Anne", "19800131", ""), known, false, 0},
		"other gender":         {person("Nordmann", "Kari", "19800131", "M"), known, false, 0},
		"gender unknown there": {person("Nordmann", "Kari", "19800131", "UN"), known, false, 85},
		"id alone":             {Person{}, known, true, 100},
		"id and nothing known": {known, Person{}, true, 100},
		"id of another":        {person("Nordmann", "Ola", "19800131", ""), known, true, 0},
		"nothing known":        {known, Person{}, false, 0},
		"no name":              {Person{Birth: "19800131", Gender: "F"}, known, false, 0},
	} {
		if got := Degree(&Query{Person: c.asked}, c.known, c.byID); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestPeople(t *testing.T) {
	p := NewPeople()
	id := func(n byte) metadata.PatientID { return metadata.PatientID{ID: string(n), Authority: "1.2"} }
	p.Add(id('1'), person("Ås", "X", "19800131", ""))
	p.Add(id('1'), person("Ås", "X", "198001311200", ""))
	p.Add(id('2'), person("ÅS", "Y", "19800131", ""))
	p.Add(id('3'), person("Ås", "Y", "1980", ""))
	if ids, crowded := p.Find(person("ås", "", "19800131", "")); len(ids) != 2 || crowded {
		t.Error(ids, crowded)
	}
	if ids, _ := p.Find(person("ås", "", "19800101", "")); len(ids) != 0 {
		t.Error(ids)
	}
	for i := range maxSame + 3 {
		p.Add(id(byte(i)), person("Same", "", "20000101", ""))
	}
	if ids, crowded := p.Find(person("Same", "", "20000101", "")); len(ids) != maxSame || !crowded {
		t.Error(len(ids), crowded)
	}
}

func TestCorrelations(t *testing.T) {
	now := time.Unix(1000, 0)
	c := NewCorrelations(3, time.Hour, func() time.Time { return now })
	id := func(s string) metadata.PatientID { return metadata.PatientID{ID: s, Authority: "1.2"} }
	got := func(home, patient string) string { there, _ := c.Get(home, id(patient)); return there.ID }
	c.Keep("a", id("1"), id("x"), time.Minute)
	c.Keep("b", id("1"), id("y"), 100*time.Hour)
	c.Keep("b", id("2"), id("z"), 0) // not to be kept
	if got("a", "1") != "x" || got("b", "1") != "y" || got("b", "2") != "" || len(c.Of(id("1"))) != 2 {
		t.Error("not kept")
	}
	now = now.Add(time.Minute)
	if got("a", "1") != "" || got("b", "1") != "y" || len(c.Of(id("1"))) != 1 || c.Len() != 1 {
		t.Error("its time is over")
	}
	now = now.Add(time.Hour)
	if got("b", "1") != "" {
		t.Error("kept longer than is allowed here")
	}
	for _, p := range []string{"1", "2", "3"} {
		c.Keep("a", id(p), id("x"+p), time.Minute)
	}
	got("a", "1")                               // used, so it stays
	c.Keep("a", id("4"), id("x4"), time.Minute) // the bound
	if got("a", "2") != "" || got("a", "1") != "x1" || got("a", "4") != "x4" || c.Len() != 3 {
		t.Error("the one not used for longest does not go")
	}
	c.Keep("a", id("1"), id("new"), time.Minute)
	if got("a", "1") != "new" || c.Len() != 3 {
		t.Error("not updated")
	}
	c.Keep("a", id("1"), id("none"), 0)
	if got("a", "1") != "" {
		t.Error("an update that is not to be kept leaves the old one")
	}
	c.Revoke("a", id("3"))
	c.Forget(id("4"))
	if c.Len() != 0 {
		t.Error("not forgotten")
	}
}
