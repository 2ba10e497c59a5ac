package metadatatest

import (
	"bytes"
	"image"
	"image/png"
	"math"
)

const (
	xrayWidth  = 480
	xrayHeight = 560
)

// xray draws something like a chest X-ray: body, lungs, ribs, spine, heart and
// grain, 8 bit grey.
func (g *Gen) xray(*story) []byte {
	img := image.NewGray(image.Rect(0, 0, xrayWidth, xrayHeight))
	lean := g.rng.Float64()*0.1 - 0.05
	heart := 0.9 + g.rng.Float64()*0.3
	for y := range xrayHeight {
		for x := range xrayWidth {
			u := (float64(x)/xrayWidth-0.5)*2 + lean*float64(y)/xrayHeight
			v := (float64(y)/xrayHeight - 0.5) * 2
			grain := float64(g.rng.Uint32()&31) - 16
			img.Pix[y*img.Stride+x] = byte(min(max(chest(u, v, heart)+grain, 0), 255))
		}
	}
	var b bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := enc.Encode(&b, img); err != nil {
		// A buffer takes every byte and the image is not empty: only a broken
		// machine comes here, and then no test may go on with half an image.
		return nil
	}
	return b.Bytes()
}

// chest is the grey of a point; u and v run from -1 to 1.
func chest(u, v, heart float64) float64 {
	if ellipse(u, v, 0, 0.1, 0.95, 1.05) > 1 {
		return 12
	}
	grey := 120 + 40*math.Abs(u)
	for _, side := range [...]float64{-0.42, 0.42} {
		if d := ellipse(u, v, side, -0.05, 0.33, 0.68); d < 1 {
			grey = 45 + 50*d
			// Ribs are bows that fall outwards.
			if bow := math.Mod(v-2*(u-side)*(u-side)+3, 0.17); bow < 0.055 {
				grey += 38 * (1 - math.Abs(bow-0.0275)/0.0275)
			}
		}
	}
	if d := ellipse(u, v, 0.14, 0.28, 0.3*heart, 0.34*heart); d < 1 {
		grey = max(grey, 175-40*d)
	}
	if s := math.Abs(u); s < 0.085 {
		grey = max(grey, 185+20*math.Cos(v*48))
	}
	if v > 0.68 {
		grey = max(grey, 190-60*math.Abs(u))
	}
	return grey
}

// ellipse is below 1 inside an ellipse.
func ellipse(u, v, cu, cv, ru, rv float64) float64 {
	du, dv := (u-cu)/ru, (v-cv)/rv
	return du*du + dv*dv
}
