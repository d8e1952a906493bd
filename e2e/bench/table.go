package main

import (
	"fmt"
	"slices"
)

// sample is the measure of one run, as the timer prints it.
type sample struct {
	WallMS   float64 `json:"wallMs"`
	CPUMS    float64 `json:"cpuMs"`
	MaxRSSKB int64   `json:"maxRssKb"`
}

const header = "| work | slipway median (min–max) | buildx median (min–max) | ratio | slipway CPU, memory | buildx CPU, memory |\n" +
	"|---|---|---|---|---|---|"

// row says how many times faster slipway was, by medians of the same run.
func row(name string, slipway, buildx []sample) string {
	if len(buildx) == 0 {
		return fmt.Sprintf("| %s | %s | refused | | %s | |", name, span(walls(slipway)), cost(slipway))
	}
	s, b := walls(slipway), walls(buildx)
	return fmt.Sprintf("| %s | %s | %s | %.1fx | %s | %s |", name, span(s), span(b), median(b)/median(s), cost(slipway), cost(buildx))
}

func walls(samples []sample) []float64 {
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = s.WallMS
	}
	return out
}

func span(values []float64) string {
	return fmt.Sprintf("%s (%s–%s)", duration(median(values)), duration(slices.Min(values)), duration(slices.Max(values)))
}

func cost(samples []sample) string {
	var cpu []float64
	var rss int64
	for _, s := range samples {
		cpu = append(cpu, s.CPUMS)
		rss = max(rss, s.MaxRSSKB)
	}
	return fmt.Sprintf("%s, %d MB", duration(median(cpu)), rss/1000)
}

func duration(ms float64) string {
	if ms < 1000 {
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f s", ms/1000)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
