package bench

import (
	"slices"
	"time"
)

// Sample is one timed round against one server.
type Sample struct {
	Target   string        `json:"target"`
	Op       string        `json:"op"`
	Requests int           `json:"requests"`
	Errors   int           `json:"errors"`
	Seconds  float64       `json:"seconds"`
	Rate     float64       `json:"rate_per_s"`
	P50      time.Duration `json:"p50_ns"`
	P95      time.Duration `json:"p95_ns"`
	P99      time.Duration `json:"p99_ns"`
	// CPU is the server's CPU time per request; 0 when not measured.
	CPU time.Duration `json:"server_cpu_per_request_ns"`
	// RSS is how much the server's resident memory grew at most during the round.
	RSS int64 `json:"server_rss_growth_bytes"`
	// Bytes of answers read and of requests written.
	BytesIn  int64 `json:"bytes_in"`
	BytesOut int64 `json:"bytes_out"`
}

func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	i := int(p * float64(len(sorted)))
	return sorted[min(i, len(sorted)-1)]
}

// Median makes one Sample of several rounds, each figure by itself.
func Median(samples []Sample) Sample {
	if len(samples) == 0 {
		return Sample{}
	}
	m := samples[0]
	for _, s := range samples[1:] {
		m.Requests += s.Requests
		m.Errors += s.Errors
		m.Seconds += s.Seconds
		m.BytesIn += s.BytesIn
		m.BytesOut += s.BytesOut
	}
	m.Rate = medianOf(samples, func(s Sample) float64 { return s.Rate })
	m.P50 = medianOf(samples, func(s Sample) time.Duration { return s.P50 })
	m.P95 = medianOf(samples, func(s Sample) time.Duration { return s.P95 })
	m.P99 = medianOf(samples, func(s Sample) time.Duration { return s.P99 })
	m.CPU = medianOf(samples, func(s Sample) time.Duration { return s.CPU })
	m.RSS = slices.MaxFunc(samples, func(a, b Sample) int { return int(a.RSS - b.RSS) }).RSS
	return m
}

func medianOf[T float64 | time.Duration](samples []Sample, get func(Sample) T) T {
	values := make([]T, len(samples))
	for i := range samples {
		values[i] = get(samples[i])
	}
	slices.Sort(values)
	return values[len(values)/2]
}
