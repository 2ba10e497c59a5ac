package metadatatest

import "samdok/metadata"

// Unit is a synthetic department of a synthetic organisation.
type Unit struct {
	Organisation string
	OrgNr        string // 9 digits, begins with 3, valid control digit
	Department   string
	RESH         string
	Facility     metadata.Code
	Practice     metadata.Code
	institutions [2]metadata.XON
}

// Institutions are the two XONs of a Norwegian author: the organisation and the
// department.
func (u *Unit) Institutions() []metadata.XON {
	return append([]metadata.XON(nil), u.institutions[:]...)
}

const volven = "2.16.578.1.12.4.1.1."

func code(value, scheme, display string) metadata.Code {
	return metadata.Code{Value: value, Scheme: scheme, Display: metadata.Text{{Value: display, Lang: "nb-NO"}}}
}

var (
	hospital   = code("86.101", volven+"1303", "Alminnelige somatiske sykehus")
	clinic     = code("86.210", volven+"1305", "Allmennlegetjenester")
	other      = code("86.909", volven+"1303", "Andre helsetjenester")
	monitoring = code("A04", volven+"8651", "Overvåkningsenhet")
	observing  = code("A02", volven+"8651", "Observasjonsenhet")
	emergency  = code("6", volven+"8653", "Akuttmottak")
	outOfHours = code("KA02", volven+"8663", "Legevakt")
)

// units are the places where documents are made.
var units = makeUnits([]Unit{
	{Organisation: "Nordlia universitetssykehus HF", Department: "Medisinsk avdeling", Facility: hospital, Practice: monitoring},
	{Organisation: "Nordlia universitetssykehus HF", Department: "Akuttmottak", Facility: hospital, Practice: emergency},
	{Organisation: "Fjordvik sykehus HF", Department: "Kirurgisk avdeling", Facility: hospital, Practice: observing},
	{Organisation: "Fjordvik sykehus HF", Department: "Laboratoriemedisinsk avdeling", Facility: hospital, Practice: observing},
	{Organisation: "Fjordvik sykehus HF", Department: "Radiologisk avdeling", Facility: hospital, Practice: observing},
	{Organisation: "Storvåg kommune", Department: "Legevakt", Facility: clinic, Practice: outOfHours},
	{Organisation: "Solbakken legesenter AS", Department: "Fastlegekontor", Facility: clinic, Practice: outOfHours},
	{Organisation: "Øvre Elvedal sykehjem", Department: "Korttidsavdeling", Facility: other, Practice: observing},
})

func makeUnits(list []Unit) []Unit {
	g := New(20261122)
	numbers := map[string]string{}
	for i := range list {
		u := &list[i]
		if numbers[u.Organisation] == "" {
			numbers[u.Organisation] = g.orgNr()
		}
		u.OrgNr, u.RESH = numbers[u.Organisation], g.digits('9', 7)
		u.institutions = [2]metadata.XON{
			metadata.XON(u.Organisation + "^^^^^&" + OrgNr + "&ISO^^^^" + u.OrgNr),
			metadata.XON(u.Department + " - " + u.Organisation + "^^^^^&" + RESH + "&ISO^^^^" + u.RESH),
		}
	}
	return list
}

func (g *Gen) orgNr() string {
	for {
		var n [9]byte
		n[0] = 3
		for i := 1; i < 8; i++ {
			n[i] = byte(g.rng.IntN(10))
		}
		if control(n[:8], orgWeights, &n[8]) {
			for i := range n {
				n[i] += '0'
			}
			return string(n[:])
		}
	}
}

// Unit chooses a department where documents of the kind are made.
func (g *Gen) Unit(k Kind) *Unit {
	u := units[pick(g, kinds[k].units)]
	return &u
}
