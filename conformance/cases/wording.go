package cases

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

// reworded is a submission of one document in other words of the same meaning: it
// must be accepted, and found as it was meant.
func reworded(id, title, section string, edit func(s *conformance.Submission, xml string) string) conformance.Case {
	return conformance.Case{ID: "ITI-42/" + id, Title: title, Section: section, Mutant: mutant.Refuses(),
		Run: func(t *conformance.T) {
			s := one(t, nil)
			t.Success(t.RegisterXML(edit(s, conformance.RegisterBody(s))))
			e := entryOf(t, s.Docs[0].UniqueID)
			t.Check(conformance.ExternalID(e, conformance.EntryPatient) == s.Patient, "patientId came back as %q", conformance.ExternalID(e, conformance.EntryPatient))
			t.Check(uuidForm.MatchString(conformance.Attr(e, "id")), "entryUUID is %q", conformance.Attr(e, "id"))
			o := t.ObjectsOf(t.Query("LeafClass", getSets, conformance.P("$uuid", conformance.Quote(conformance.Attr(e, "id")))))
			t.Check(len(o.Sets) == 1 && conformance.ExternalID(o.Sets[0], conformance.SetUnique) == s.SetUnique, "GetSubmissionSets finds %s, expected the submission set", o)
		}}
}

var (
	associationElement = regexp.MustCompile(`(?s)<rim:Association .*?</rim:Association>`)
	partID             = regexp.MustCompile(`(<rim:(?:Classification|ExternalIdentifier) id=")urn:uuid:`)
	containerID        = regexp.MustCompile(` registryObject="[^"]*"`)
)

// Wording are the rules of ITI-42 on what may be said in different ways.
func Wording() []conformance.Case {
	replacing := func(pairs ...string) func(*conformance.Submission, string) string {
		return func(_ *conformance.Submission, xml string) string { return strings.NewReplacer(pairs...).Replace(xml) }
	}
	const list = "<rim:RegistryObjectList>"
	return []conformance.Case{
		reworded("default-namespace", "The ebRIM namespace may be the default one", "Namespaces in XML, 6.2",
			replacing("<rim:", "<", "</rim:", "</", "xmlns:rim=", "xmlns=")),
		reworded("other-prefixes", "Prefixes mean nothing", "Namespaces in XML, 6.1",
			replacing("<rim:", "<ns4:", "</rim:", "</ns4:", "xmlns:rim=", "xmlns:ns4=", "<lcm:", "<tns:", "</lcm:", "</tns:", "xmlns:lcm=", "xmlns:tns=")),
		reworded("indented", "Blanks between elements mean nothing", "ebRS 3.0, rim.xsd", replacing("><", ">\r\n\t  <")),
		reworded("character-references", "A value may be written with character references or CDATA", "XML 1.0, 4.1 and 2.7",
			replacing("<rim:Value>nb-NO<", "<rim:Value><![CDATA[nb]]>&#45;&#x4E;O<", "<rim:Value>20260102030405<", "<rim:Value><!-- tid -->20260102030405<")),
		reworded("association-first", "The objects may come in any order", "ITI TF-3 4.2.1.5", func(_ *conformance.Submission, xml string) string {
			a := associationElement.FindString(xml)
			return strings.Replace(strings.Replace(xml, a, "", 1), list, list+a, 1)
		}),
		reworded("parts-first", "The parts of an object may come in any order", "ITI TF-3 4.2.3", func(s *conformance.Submission, xml string) string {
			at := strings.Index(xml, "<rim:ExternalIdentifier")
			end := at + strings.Index(xml[at:], "</rim:ExtrinsicObject>")
			start := strings.Index(xml, "<rim:Slot")
			return xml[:start] + xml[at:end] + xml[start:at] + xml[end:]
		}),
		reworded("object-ref", "An ObjectRef in a submission says nothing", "ITI TF-3 4.2.1.5", func(_ *conformance.Submission, xml string) string {
			return strings.Replace(xml, list, list+`<rim:ObjectRef id="`+conformance.HasMember+`"/>`, 1)
		}),
		reworded("request-slots", "A RequestSlotList before the objects says nothing", "ebRS 3.0, rs.xsd", func(_ *conformance.Submission, xml string) string {
			return strings.Replace(xml, list, `<rs:RequestSlotList xmlns:rs="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"/>`+list, 1)
		}),
		reworded("bare-uuids", "A UUID without urn:uuid: is a symbolic id", "ITI TF-3 4.2.3.1.5", func(s *conformance.Submission, xml string) string {
			for _, id := range []string{s.SetID, s.Docs[0].ID} {
				xml = strings.ReplaceAll(xml, id, strings.TrimPrefix(id, "urn:uuid:"))
			}
			return xml
		}),
		reworded("symbolic-part-ids", "Classifications and identifiers may have symbolic ids", "ITI TF-2 3.42.4.1.3.7", func(_ *conformance.Submission, xml string) string {
			return partID.ReplaceAllString(xml, "${1}part-")
		}),
		reworded("no-registry-object", "registryObject may be missing from an identifier inside its object", "ITI TF-3 4.2.3.1.3", func(_ *conformance.Submission, xml string) string {
			return containerID.ReplaceAllString(xml, "")
		}),
		reworded("part-object-types", "objectType may stand on parts and associations", "ITI TF-3 4.2.1.2.1", func(_ *conformance.Submission, xml string) string {
			for _, name := range []string{"Classification", "ExternalIdentifier", "Association", "RegistryPackage"} {
				xml = strings.ReplaceAll(xml, "<rim:"+name+" ", "<rim:"+name+` objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:`+name+`" `)
			}
			return xml
		}),
		reworded("association-status", "A status on an association is ignored", "ITI TF-3 4.2.2", func(_ *conformance.Submission, xml string) string {
			return strings.ReplaceAll(xml, "<rim:Association ", `<rim:Association status="`+conformance.Deprecated+`" `)
		}),
		{
			ID: "ITI-42/uuid-letter-case", Title: "UUIDs in capitals are accepted and returned in small letters", Section: "ITI TF-3 4.2.3.1.5",
			Mutant: conformance.Mutant{Response: func(x *conformance.Exchange) {
				x.Response = regexp.MustCompile(`<(\w+:)?ExtrinsicObject [^>]*>`).ReplaceAllFunc(x.Response, func(b []byte) []byte {
					return regexp.MustCompile(` id="urn:uuid:[^"]*"`).ReplaceAllFunc(b, func(id []byte) []byte { return []byte(` id="urn:uuid:` + upperHex(string(id[14:]))) })
				})
			}},
			Run: func(t *conformance.T) {
				s := one(t, nil)
				xml := conformance.RegisterBody(s)
				for _, id := range []string{s.SetID, s.Docs[0].ID} {
					xml = strings.ReplaceAll(xml, id, "urn:uuid:"+upperHex(id[len("urn:uuid:"):]))
				}
				t.Success(t.RegisterXML(xml))
				id := conformance.Attr(entryOf(t, s.Docs[0].UniqueID), "id")
				t.Check(id == s.Docs[0].ID, "entryUUID is %q, expected %q", id, s.Docs[0].ID)
			},
		},
		taken("unique-id-is-uuid", "A document's uniqueId may be its entryUUID", "ITI TF-3 4.2.3.2.26", func(t *conformance.T) *conformance.Submission {
			return one(t, func(_ *conformance.Submission, d *conformance.Doc) {
				conformance.SetIdentifier(d.XML, conformance.EntryUnique, d.ID)
			})
		}),
		taken("unique-id-is-uri", "A document's uniqueId may be a URI", "ITI TF-3 4.2.3.2.26", func(t *conformance.T) *conformance.Submission {
			return one(t, func(_ *conformance.Submission, d *conformance.Doc) {
				conformance.SetIdentifier(d.XML, conformance.EntryUnique, "http://example.org/dokumenter/"+conformance.NewOID()+"?a=b&c=d")
			})
		}),
		keptSlot("many-values", "A slot may have many values", "urn:example:many", manyValues()...),
		keptSlot("long-value", "A value may have 256 characters", "urn:example:long", strings.Repeat("å", 256)),
		keptSlot("patient-info", "sourcePatientInfo may repeat values and hold any field", "sourcePatientInfo",
			"PID-3|1^^^&1.2.3&ISO~2^^^&1.2.4&ISO", "PID-3|3^^^&1.2.5&ISO", "PID-5|A^B~C^D", "PID-8|F", "PID-11|Gata 1^^BERGEN^^5003^NO", "PID-7|1980", "PID-13|^PRN^PH^^47^^55555555"),
		keptSlot("reference-ids", "Reference ids of every form are accepted", "urn:ihe:iti:xds:2013:referenceIdList",
			"1.2.3.4^^^^urn:ihe:iti:xds:2013:uniqueId", "ext^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:uniqueId", "R1^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:referral",
			"A1^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:accession", "urn:uuid:1b2c6b8c-7b8a-4051-b291-b1ae6a575ef4^^^^urn:ihe:iti:xdw:2013:workflowInstanceId", "L1^^^NS^urn:example:local"),
		keptSlot("date-precision", "A time may have any precision", "creationTime", "2026"),
	}
}

func manyValues() []string {
	var values []string
	for i := range 150 {
		values = append(values, fmt.Sprintf("verdi %d", i))
	}
	return values
}

// keptSlot is a slot of an entry that must be accepted and returned as it is.
func keptSlot(id, title, name string, values ...string) conformance.Case {
	return conformance.Case{ID: "ITI-42/" + id, Title: title, Section: "ITI TF-3 4.2.3",
		Mutant: mutant.Answers(`(?s)(<(?:\w+:)?Slot name="`+regexp.QuoteMeta(name)+`"[^>]*>.*?<(?:\w+:)?Value>)`, "${1}x"),
		Run: func(t *conformance.T) {
			s := one(t, func(_ *conformance.Submission, d *conformance.Doc) { conformance.SetSlot(d.XML, name, values...) })
			for _, e := range t.ErrorsOf(t.Success(t.Register(s))) {
				if e.Code == "XDSExtraMetadataNotSaved" {
					t.Skipf("the server does not keep %s and says so", name)
				}
			}
			got := conformance.SlotOf(entryOf(t, s.Docs[0].UniqueID), name)
			t.Check(slices.Equal(got, values), "%s was %q and came back as %q", name, values, got)
		}}
}
