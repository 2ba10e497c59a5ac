package metadatatest

import (
	"strconv"
	"time"

	"samdok/metadata"
)

// OIDs of Norwegian identifiers.
const (
	FNR   = "2.16.578.1.12.4.1.4.1"   // fødselsnummer
	HPR   = "2.16.578.1.12.4.1.4.4"   // health personnel
	OrgNr = "2.16.578.1.12.4.1.4.101" // organisation number
	RESH  = "2.16.578.1.12.4.1.4.102" // department
)

// Patient is a synthetic person.
type Patient struct {
	FNR      string // 11 digits, month + 80, valid control digits
	Given    string
	Family   string
	Street   string
	PostCode string
	City     string
	Birth    time.Time
	Female   bool
}

// ID is the patient's identity.
func (p Patient) ID() metadata.PatientID { return metadata.PatientID{ID: p.FNR, Authority: FNR} }

// CX is the patient's id as sent.
func (p Patient) CX() metadata.CX { return metadata.CX(p.FNR + "^^^&" + FNR + "&ISO") }

// Sex is the code of HL7 table 0001.
func (p Patient) Sex() string {
	if p.Female {
		return "F"
	}
	return "M"
}

// Info is the sourcePatientInfo.
func (p Patient) Info() []string {
	return []string{
		"PID-3|" + string(p.CX()),
		"PID-5|" + p.Family + "^" + p.Given + "^^^",
		"PID-7|" + string(metadata.FormatDTM(p.Birth)[:8]),
		"PID-8|" + p.Sex(),
		"PID-11|" + p.Street + "^^" + p.City + "^^" + p.PostCode + "^NO",
	}
}

// Patient makes a person born from 1930 to 2025.
func (g *Gen) Patient() Patient {
	birth := g.between(time.Date(1930, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	birth = birth.Truncate(24 * time.Hour)
	p := Patient{Birth: birth, Female: g.rng.IntN(2) == 0, Family: pick(g, families)}
	p.Given = pick(g, givenMen)
	if p.Female {
		p.Given = pick(g, givenWomen)
	}
	p.FNR = g.fnr(birth, p.Female)
	p.Street = pick(g, streets) + " " + strconv.Itoa(1+g.rng.IntN(99))
	place := pick(g, places)
	p.PostCode, p.City = place[0], place[1]
	return p
}

// fnr is a national identity number of the Tenor series: day, month + 80, year,
// three digits that tell century and sex, two control digits.
func (g *Gen) fnr(birth time.Time, female bool) string {
	for {
		series := g.rng.IntN(500)
		if birth.Year() >= 2000 {
			series += 500
		}
		if series%2 == 0 != female {
			series ^= 1
		}
		var n [11]byte
		put := func(at, value int) { n[at], n[at+1] = byte(value/10%10), byte(value%10) }
		put(0, birth.Day())
		put(2, int(birth.Month())+80)
		put(4, birth.Year()%100)
		n[6] = byte(series / 100)
		put(7, series%100)
		if control(n[:9], firstWeights, &n[9]) && control(n[:10], secondWeights, &n[10]) {
			for i := range n {
				n[i] += '0'
			}
			return string(n[:])
		}
	}
}

var (
	firstWeights  = []byte{3, 7, 6, 1, 8, 9, 4, 5, 2}
	secondWeights = []byte{5, 4, 3, 2, 7, 6, 5, 4, 3, 2}
	orgWeights    = []byte{3, 2, 7, 6, 5, 4, 3, 2}
)

// control computes a modulus 11 control digit; false when there is none (10).
func control(digits, weights []byte, digit *byte) bool {
	sum := 0
	for i, w := range weights {
		sum += int(digits[i]) * int(w)
	}
	*digit = byte((11 - sum%11) % 11)
	return *digit < 10
}

// ValidFNR tells whether the control digits of an identity number are right.
func ValidFNR(s string) bool {
	if len(s) != 11 {
		return false
	}
	var n [11]byte
	for i := range n {
		if n[i] = s[i] - '0'; n[i] > 9 {
			return false
		}
	}
	var first, second byte
	return control(n[:9], firstWeights, &first) && first == n[9] &&
		control(n[:10], secondWeights, &second) && second == n[10]
}

// ValidOrgNr tells whether the control digit of an organisation number is right.
func ValidOrgNr(s string) bool {
	if len(s) != 9 {
		return false
	}
	var n [9]byte
	for i := range n {
		if n[i] = s[i] - '0'; n[i] > 9 {
			return false
		}
	}
	var digit byte
	return control(n[:8], orgWeights, &digit) && digit == n[8]
}

// Practitioner is a synthetic health professional.
type Practitioner struct {
	HPR    string // 9 digits
	Given  string
	Family string
	Role   string // code of 9060
}

// XCN is the practitioner as sent.
func (p Practitioner) XCN() metadata.XCN {
	return metadata.XCN(p.HPR + "^" + p.Family + "^" + p.Given + "^^^^^^&" + HPR + "&ISO")
}

// Practitioner makes a physician.
func (g *Gen) Practitioner() Practitioner {
	p := Practitioner{HPR: g.digits('5', 9), Family: pick(g, families), Role: "LE"}
	if g.rng.IntN(2) == 0 {
		p.Given = pick(g, givenWomen)
	} else {
		p.Given = pick(g, givenMen)
	}
	return p
}

var (
	givenWomen = []string{"Åse", "Solveig", "Ingrid", "Marit", "Liv", "Randi", "Bjørg", "Turid", "Kari", "Astrid", "Nora", "Emma", "Sofie", "Ida", "Thea", "Hedda", "Máret", "Fatima", "Anne Lise", "Guro"}
	givenMen   = []string{"Bjørn", "Øystein", "Kåre", "Ola", "Håkon", "Lars", "Per", "Jan Erik", "Odd", "Sverre", "Jakob", "Emil", "Noah", "Filip", "Oskar", "Ánte", "Mohammed", "Trond", "Geir", "Aslak"}
	families   = []string{"Nordmann", "Fjellheim", "Østli", "Sæther", "Åsen", "Bakkejord", "Myrvang", "Storvik", "Haugland", "Lillemo", "Tveitås", "Bjørnstad", "Skogmo", "Elvestrand", "Nyheim", "Dalsbø", "Furuseth", "Gråberg", "Holmvåg", "Utsi"}
	streets    = []string{"Bjørkeveien", "Havnegata", "Fjellstien", "Skolegata", "Ærfuglveien", "Lia", "Storgata", "Tyttebærstien", "Åsveien", "Kirkebakken"}
	places     = [][2]string{{"0001", "Prøveby"}, {"4999", "Testvåg"}, {"5999", "Fiktivnes"}, {"7099", "Eksempeldal"}, {"9199", "Øvingsjord"}, {"1599", "Tenorås"}}
)
