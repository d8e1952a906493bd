package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// report is all that one call has measured.
type report struct {
	quick  bool
	facts  []fact
	rows   []measured
	curves []measuredCurve
}

// measured is a row with what came of it.
type measured struct {
	row
	results []result
	took    time.Duration
}

// byTool returns the figures of each tool that took part.
func (m measured) byTool() map[string]stats {
	figures := map[string]stats{}
	for _, r := range m.results {
		figures[r.tool.name] = of(r)
	}
	return figures
}

// measuredCurve is a curve with as many points as have been measured.
type measuredCurve struct {
	curve
	at []measured
}

// The names of the two files.
const (
	markdownFile = "bench.md"
	chartFile    = "bench.svg"
)

// write puts the report into dir, over what an earlier call of it wrote. It is
// called after every row, so that what was measured stays when the rest is
// cancelled.
func (r report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	picture, err := r.chart()
	if err != nil {
		return fmt.Errorf("draw the chart: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, chartFile), picture, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, markdownFile), []byte(r.markdown()), 0o644)
}
