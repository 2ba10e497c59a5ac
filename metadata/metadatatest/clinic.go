package metadatatest

import (
	"time"

	"samdok/metadata"
)

// course is what happened to a patient, enough to fill a document.
type course struct {
	grown           bool   // not for children
	icd, diagnosis  string // ICD-10
	reason          string
	history, status []string
	treatment, plan []string
	medicines       [][2]string // name, dose
}

var courses = []course{
	{
		icd: "J18.9", diagnosis: "Uspesifisert pneumoni",
		reason:    "Feber, hoste og økende tungpust gjennom fire døgn.",
		history:   []string{"Tidligere stort sett frisk. Ingen kjente allergier.", "Vaksinert mot influensa i høst."},
		status:    []string{"Allmenntilstand redusert, temp. 38,9 °C, puls 104, BT 128/76, SpO2 91 % på romluft.", "Knatrelyder basalt over høyre lunge. For øvrig upåfallende organstatus."},
		treatment: []string{"Benzylpenicillin intravenøst i tre døgn, deretter tabletter.", "Oksygentilskudd på nesekateter det første døgnet, siden trappet ut."},
		plan:      []string{"Fullfører antibiotikakur hjemme.", "Kontroll hos fastlege om to uker med CRP.", "Nytt røntgen thorax om seks uker."},
		medicines: [][2]string{{"Fenoksymetylpenicillin 660 mg", "2 tabletter 4 ganger daglig i 5 dager"}, {"Paracetamol 1 g", "ved behov, inntil 4 ganger daglig"}},
	},
	{
		grown: true, icd: "I48.0", diagnosis: "Paroksysmal atrieflimmer",
		reason:    "Akutt innsettende hjertebank og ubehag i brystet.",
		history:   []string{"Hypertensjon behandlet med amlodipin siden 2015.", "Ingen tidligere kjent hjertesykdom."},
		status:    []string{"Uregelmessig puls 132, BT 142/88. Ingen stuvningstegn.", "EKG viser atrieflimmer uten iskemitegn. Troponin T normal i to prøver."},
		treatment: []string{"Spontan konvertering til sinusrytme etter ni timer.", "Startet med betablokker og direktevirkende antikoagulasjon etter risikovurdering."},
		plan:      []string{"Poliklinisk ekkokardiografi.", "Kontroll av nyrefunksjon og blodtrykk hos fastlege om fire uker."},
		medicines: [][2]string{{"Metoprolol depot 50 mg", "1 tablett morgen"}, {"Apiksaban 5 mg", "1 tablett morgen og kveld"}, {"Amlodipin 5 mg", "1 tablett morgen"}},
	},
	{
		icd: "S52.50", diagnosis: "Brudd i distale ende av radius, lukket",
		reason:    "Fall på isen, støtte seg med venstre hånd.",
		history:   []string{"Tidligere frisk. Høyrehendt."},
		status:    []string{"Feilstilling og hevelse over venstre håndledd. Intakt sensibilitet og sirkulasjon distalt.", "Røntgen viser ekstraartikulært brudd med 20 graders dorsal vinkling."},
		treatment: []string{"Lukket reponering i hematomblokade og dorsal gipslaske.", "Tilfredsstillende stilling ved kontrollrøntgen."},
		plan:      []string{"Røntgenkontroll i gips om 10 dager.", "Gips i fem uker, deretter opptrening."},
		medicines: [][2]string{{"Paracetamol 1 g", "inntil 4 ganger daglig"}},
	},
	{
		grown: true, icd: "E11.9", diagnosis: "Diabetes mellitus type 2 uten komplikasjon",
		reason:    "Tørste, hyppig vannlating og vekttap på fire kilo.",
		history:   []string{"Overvekt. Far hadde type 2-diabetes.", "Ingen faste medisiner fra før."},
		status:    []string{"BMI 31. BT 136/84. Normale fotpulser og normal monofilamenttest.", "HbA1c 78 mmol/mol, glukose 16,2 mmol/L, ingen ketose."},
		treatment: []string{"Opplæring i egenmåling og kosthold hos diabetessykepleier.", "Startet metformin med opptrapping."},
		plan:      []string{"HbA1c om tre måneder.", "Henvist til øyelege og startkurs.", "Årskontroll hos fastlege."},
		medicines: [][2]string{{"Metformin 500 mg", "1 tablett morgen og kveld, økes etter to uker"}},
	},
	{
		grown: true, icd: "K80.2", diagnosis: "Gallestein uten kolecystitt",
		reason:    "Gjentatte turer med smerter under høyre ribbebue etter fet mat.",
		history:   []string{"Operert for blindtarm som barn."},
		status:    []string{"Øm i øvre høyre kvadrant uten slippømhet. Afebril.", "Ultralyd viser flere konkrementer i galleblæren, normale galleveier."},
		treatment: []string{"Laparoskopisk kolecystektomi uten komplikasjoner.", "Mobilisert samme kveld, spist og drukket uten plager."},
		plan:      []string{"Stinger fjernes hos fastlege etter 10 dager.", "Unngå tunge løft i to uker."},
		medicines: [][2]string{{"Ibuprofen 400 mg", "inntil 3 ganger daglig i 4 dager"}},
	},
}

// course chooses one that fits the patient's age.
func (g *Gen) course(s *story) course {
	for {
		if c := pick(g, courses); !c.grown || s.from.Sub(s.patient.Birth) > 18*8766*time.Hour {
			return c
		}
	}
}

// analysis is one laboratory analysis with its reference range.
type analysis struct {
	code, name, unit string
	low, high        float64
	decimals         int
}

var analyses = []analysis{
	{"NPU19748", "P-CRP", "mg/L", 0, 5, 0},
	{"NPU02319", "B-Hemoglobin", "g/dL", 11.7, 15.3, 1},
	{"NPU02593", "B-Leukocytter", "10^9/L", 3.5, 11, 1},
	{"NPU03568", "B-Trombocytter", "10^9/L", 145, 390, 0},
	{"NPU03429", "P-Natrium", "mmol/L", 137, 145, 0},
	{"NPU03230", "P-Kalium", "mmol/L", 3.6, 4.6, 1},
	{"NPU18016", "P-Kreatinin", "µmol/L", 45, 90, 0},
	{"NPU19651", "P-ALAT", "U/L", 10, 45, 0},
	{"NPU02192", "P-Glukose", "mmol/L", 4, 6, 1},
	{"NPU27300", "B-HbA1c", "mmol/mol", 28, 40, 0},
	{"NPU03577", "P-TSH", "mIU/L", 0.5, 3.6, 2},
	{"NPU19763", "P-Ferritin", "µg/L", 18, 240, 0},
}

// result is one measured value.
type result struct {
	analysis
	value float64
	flag  string // "H", "L" or ""
}

func (g *Gen) results() []result {
	list := make([]result, 0, len(analyses))
	for _, a := range analyses {
		if g.rng.IntN(5) == 0 {
			continue
		}
		r := result{analysis: a, value: a.low + (a.high-a.low)*(g.rng.Float64()*1.5-0.2)}
		r.value = max(r.value, 0)
		switch {
		case r.value > a.high:
			r.flag = "H"
		case r.value < a.low:
			r.flag = "L"
		}
		list = append(list, r)
	}
	return list
}

// date is how a Norwegian document shows a DTM's date.
func date(d metadata.DTM) string {
	if len(d) < 8 {
		return string(d)
	}
	return string(d[6:8] + "." + d[4:6] + "." + d[:4])
}
