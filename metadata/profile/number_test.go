package profile_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/metadata/profile"
)

const (
	fnr = "2.16.578.1.12.4.1.4.1"
	dnr = "2.16.578.1.12.4.1.4.2"
	fhn = "2.16.578.1.12.4.1.4.3"
	duf = "2.16.578.1.12.4.1.4.5"
)

// withControl is a number that begins with six digits and has control digits;
// first is what the first weighted sum leaves.
func withControl(six string, first int) string {
	for series := 100; ; series++ {
		if number := control(fmt.Sprint(six, series), first); number != "" {
			return number
		}
	}
}

// control adds control digits to nine digits; "" when there are none.
func control(nine string, first int) string {
	sum := func(s string, weights ...int) (n int) {
		for i, w := range weights {
			n += int(s[i]-'0') * w
		}
		return n
	}
	a := (22 - sum(nine, 3, 7, 6, 1, 8, 9, 4, 5, 2)%11 + first) % 11
	if a == 10 {
		return ""
	}
	ten := fmt.Sprint(nine, a)
	b := (11 - sum(ten, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)%11) % 11
	if b == 10 {
		return ""
	}
	return fmt.Sprint(ten, b)
}

func TestIdentityNumbers(t *testing.T) {
	p := load(t, "norway")
	for _, c := range []struct {
		name, authority, number string
		want                    profile.IdentityNumber
		wrong                   string
	}{
		{"Tenor", fnr, "06828399789", profile.IdentityNumber{Kind: profile.BirthNumber, Synthetic: true}, ""},
		{"month + 65", fnr, "29698496140", profile.IdentityNumber{Kind: profile.BirthNumber, Synthetic: true}, ""},
		{"as in the national samples", fnr, "13116900216", profile.IdentityNumber{Kind: profile.BirthNumber}, ""},
		{"leap day", fnr, withControl("298284", 0), profile.IdentityNumber{Kind: profile.BirthNumber, Synthetic: true}, ""},
		{"leap day of 2000", fnr, withControl("298200", 0), profile.IdentityNumber{Kind: profile.BirthNumber, Synthetic: true}, ""},
		{"no leap year", fnr, withControl("298283", 0), profile.IdentityNumber{}, "date"},
		{"31 April", fnr, withControl("318483", 0), profile.IdentityNumber{}, "date"},
		{"day 0", fnr, withControl("008483", 0), profile.IdentityNumber{}, "date"},
		{"month 13", fnr, withControl("139383", 0), profile.IdentityNumber{}, "date"},
		{"a D-number", fnr, withControl("468283", 0), profile.IdentityNumber{}, "date"},
		{"an H-number", fnr, withControl("064283", 0), profile.IdentityNumber{}, "date"},
		{"one digit", fnr, "06828399788", profile.IdentityNumber{}, "control digits"},
		{"ten digits", fnr, "0682839978", profile.IdentityNumber{}, "length"},
		{"twelve digits", fnr, "068283997890", profile.IdentityNumber{}, "length"},
		{"a space", fnr, "068283 99789", profile.IdentityNumber{}, "digits"},
		{"Arabic digits", fnr, "٠٦٨٢٨٣٩٩٧٨٩", profile.IdentityNumber{}, "digits"},
		{"empty", fnr, "", profile.IdentityNumber{}, "length"},

		{"D", dnr, withControl("460283", 0), profile.IdentityNumber{Kind: profile.DNumber}, ""},
		{"synthetic D", dnr, withControl("468283", 0), profile.IdentityNumber{Kind: profile.DNumber, Synthetic: true}, ""},
		{"synthetic D, month + 65", dnr, withControl("466783", 0), profile.IdentityNumber{Kind: profile.DNumber, Synthetic: true}, ""},
		{"a birth number", dnr, "06828399789", profile.IdentityNumber{}, "date"},

		{"H", fhn, withControl("064283", 0), profile.IdentityNumber{Kind: profile.HelpNumber}, ""},
		{"felles hjelpenummer", fhn, withControl("812345", 0), profile.IdentityNumber{Kind: profile.HelpNumber}, ""},
		{"felles hjelpenummer, wrong", fhn, "81234567890", profile.IdentityNumber{}, "control digits"},
		{"a birth number", fhn, "06828399789", profile.IdentityNumber{}, "raised by 40"},

		{"DUF", duf, "202212345600", profile.IdentityNumber{}, "control digits"},
		{"DUF of no year", duf, "302212345600", profile.IdentityNumber{}, "date"},
		{"DUF of eleven digits", duf, "20221234560", profile.IdentityNumber{}, "length"},
		{"another authority", "1.2.3", "whatever", profile.IdentityNumber{}, ""},
	} {
		got, err := p.IdentityNumber(metadata.PatientID{ID: c.number, Authority: c.authority})
		switch {
		case c.wrong == "" && (err != nil || got != c.want):
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%s: %v, want something about %q", c.name, err, c.wrong)
		case err != nil && c.number != "" && strings.Contains(err.Error(), c.number):
			t.Errorf("%s: the error holds the number", c.name)
		}
	}
	for remainder := range 4 {
		id := metadata.PatientID{ID: withControl("068284", remainder), Authority: fnr}
		if _, err := p.IdentityNumber(id); (err == nil) != (remainder == 0) {
			t.Errorf("remainder %d: %v", remainder, err)
		}
		if _, err := p.WithNumbers(profile.CheckNumbers2032).IdentityNumber(id); err != nil {
			t.Errorf("remainder %d, from 2032 on: %v", remainder, err)
		}
	}
	bad := metadata.PatientID{ID: "nobody", Authority: fnr}
	if _, err := p.WithNumbers(profile.TakeNumbers).IdentityNumber(bad); err != nil {
		t.Errorf("checked although it shall not be: %v", err)
	}
	if _, err := p.IdentityNumber(bad); err == nil {
		t.Error("WithNumbers changed the profile that it was made from")
	}
	if _, err := load(t, "base").IdentityNumber(bad); err != nil {
		t.Errorf("base: %v", err)
	}
}

// Every number with one digit wrong, or two neighbours that have changed places, is
// found out: that is what control digits are for.
func TestControlDigitsFindSlips(t *testing.T) {
	p := load(t, "norway")
	rapid.Check(t, func(t *rapid.T) {
		number := metadatatest.New(rapid.Uint64().Draw(t, "seed")).Patient().ID().ID
		check := func(s string) error {
			_, err := p.IdentityNumber(metadata.PatientID{ID: s, Authority: fnr})
			return err
		}
		if err := check(number); err != nil {
			t.Fatalf("a good number: %v", err)
		}
		at := rapid.IntRange(0, 10).Draw(t, "at")
		slip := []byte(number)
		slip[at] = '0' + byte(rapid.IntRange(0, 9).Draw(t, "digit"))
		if string(slip) != number && check(string(slip)) == nil {
			t.Fatal("a wrong digit is accepted")
		}
		if at < 10 {
			slip = []byte(number)
			slip[at], slip[at+1] = slip[at+1], slip[at]
			if string(slip) != number && check(string(slip)) == nil {
				t.Fatal("two digits that have changed places are accepted")
			}
		}
	})
}

func TestDUFNumbers(t *testing.T) {
	p := load(t, "norway")
	rapid.Check(t, func(t *rapid.T) {
		ten := fmt.Sprintf("%d%06d", rapid.IntRange(1990, 2040).Draw(t, "year"), rapid.IntRange(0, 999999).Draw(t, "number"))
		fit := 0
		for control := range 100 {
			if n, err := p.IdentityNumber(metadata.PatientID{ID: fmt.Sprintf("%s%02d", ten, control), Authority: duf}); err == nil {
				fit++
				if control > 10 || n.Kind != profile.DUFNumber {
					t.Fatalf("%+v with control digits %d", n, control)
				}
			}
		}
		if fit != 1 {
			t.Fatalf("%d pairs of control digits fit", fit)
		}
	})
}

func TestValidateIdentityNumber(t *testing.T) {
	p, g := load(t, "norway"), metadatatest.New(1)
	patient := g.Patient()
	sub := g.Metadata(patient, 1)
	if problems := p.Validate(sub); len(problems) > 0 {
		t.Fatalf("%v", problems)
	}
	wrong := metadata.PatientID{ID: "06828399788", Authority: fnr}
	sub.Set.PatientID = wrong.CX()
	problems := p.Validate(sub)
	if len(problems) != 1 || problems[0].Code != fault.RegistryMetadataError || !strings.Contains(problems[0].Context, "patientId") {
		t.Fatalf("%v", problems)
	}
	if strings.Contains(problems[0].Context, wrong.ID) {
		t.Error("the answer repeats the number")
	}
	if problems := p.WithNumbers(profile.TakeNumbers).Validate(sub); len(problems) > 0 {
		t.Errorf("%v", problems)
	}
}
