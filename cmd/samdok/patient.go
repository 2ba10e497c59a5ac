package main

import (
	"strings"

	"samdok/metadata"
)

// Authorities of Norwegian identifiers (NHN's list of OIDs).
const (
	oidNationalID   = "2.16.578.1.12.4.1.4.1"
	oidDNumber      = "2.16.578.1.12.4.1.4.2"
	oidHelpNumber   = "2.16.578.1.12.4.1.4.3"
	oidHPR          = "2.16.578.1.12.4.1.4.4"
	oidOrganisation = "2.16.578.1.12.4.1.4.101"
	oidDepartment   = "2.16.578.1.12.4.1.4.102"
)

// parsePatient reads a CX (id^^^&OID&ISO) or a bare Norwegian number, whose kind
// tells the authority. Errors never quote the number.
func (c *cli) parsePatient(s string) (metadata.PatientID, error) {
	s = strings.TrimSpace(s)
	if strings.Contains(s, "^") {
		p, err := metadata.CX(s).Patient()
		if err != nil {
			return p, c.usage("the patient: %v", "pasienten: %v", err)
		}
		return p, nil
	}
	number := strings.ReplaceAll(s, " ", "")
	if len(number) != 11 || strings.Trim(number, "0123456789") != "" {
		return metadata.PatientID{}, c.usage(
			"the patient is neither a Norwegian number of 11 digits nor a CX such as 'ID^^^&OID&ISO'",
			"pasienten er verken et norsk nummer på 11 siffer eller en CX som 'ID^^^&OID&ISO'")
	}
	return metadata.PatientID{ID: number, Authority: norwegianAuthority(number)}, nil
}

// norwegianAuthority tells national identity numbers, D-numbers (day + 40),
// H-numbers (month + 40) and common help numbers (first digit 8 or 9) apart.
// Synthetic numbers have month + 80 (Tenor) or + 65 and keep their authority.
func norwegianAuthority(number string) string {
	month := int(number[2]-'0')*10 + int(number[3]-'0')
	switch {
	case number[0] >= '8' || month > 40 && month <= 52:
		return oidHelpNumber
	case number[0] >= '4':
		return oidDNumber
	}
	return oidNationalID
}

// patientFlags are two ways to say who it is about: on the command line, where
// every user of the machine can read it while the command runs, or in a file.
type patientFlags struct{ patient, file string }

func (c *cli) patientFrom(f patientFlags) (metadata.PatientID, error) {
	switch {
	case f.patient != "" && f.file != "":
		return metadata.PatientID{}, c.usage("give --patient or --patient-file, not both", "oppgi --patient eller --patient-file, ikke begge")
	case f.patient == "" && f.file == "":
		return metadata.PatientID{}, c.usage("which patient? Give --patient, or --patient-file FILE (- for standard input)", "hvem gjelder det? Oppgi --patient, eller --patient-file FIL (- for standard inn)")
	case f.patient == "-":
		f.file = "-"
	}
	text := f.patient
	if f.file != "" {
		var err error
		if text, err = c.readSmall(f.file); err != nil {
			return metadata.PatientID{}, exit(exitUsage, err)
		}
	}
	return c.parsePatient(text)
}
