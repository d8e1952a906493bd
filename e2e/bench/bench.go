package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// options are what the command line says.
type options struct {
	quick, curves bool
	// rows chooses rows and curves by their names.
	rows *regexp.Regexp
	// light, heavy and cold replace the scale's numbers of runs unless 0.
	light, heavy, cold uint
	// idle replaces how long idle builders are watched unless 0.
	idle time.Duration
	// out is where the report goes; empty for a folder of its own below the
	// bench's.
	out string
}

// scale is the size of the work with the numbers of runs that were asked for.
func (o options) scale() scale {
	s := full
	if o.quick {
		s = quick
	}
	for _, n := range []struct {
		asked uint
		into  *int
	}{{o.light, &s.light}, {o.heavy, &s.heavy}, {o.cold, &s.cold}} {
		if n.asked > 0 {
			*n.into = int(n.asked)
		}
	}
	if o.idle > 0 {
		s.idle = o.idle
	}
	return s
}

// bench measures and reports, row by row.
func bench(ctx context.Context, o options) (err error) {
	began := time.Now()
	rows, curves := o.chosen()
	if len(rows)+len(curves) == 0 {
		return fmt.Errorf("-rows %q: no row has such a name, or no curve; there are\n%s", o.rows, strings.Join(o.names(), "\n"))
	}
	dir, err := o.folder(ctx, began)
	if err != nil {
		return err
	}
	bed, err := loadBed()
	if err != nil {
		return err
	}
	s, err := newStand(ctx, bed, usedBy(rows, curves))
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, s.close(clean))
	}()
	if err != nil {
		return err
	}
	r := report{quick: o.quick, facts: s.facts(ctx)}
	if slices.ContainsFunc(rows, func(r row) bool { return r.measures(kaniko) }) {
		if s.kaniko, err = kanikoProgram(ctx); err != nil {
			return err
		}
	}
	fmt.Printf("measuring in namespaces %s and beside it; the report goes to %s\n", s.agents.Name, dir)
	idle, err := s.idle(ctx, o.scale().idle)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s\n", idle.name, idle.value)
	r.facts = append(r.facts, idle)
	for _, row := range rows {
		m, err := s.row(ctx, row)
		if err != nil {
			return err
		}
		r.rows = append(r.rows, m)
		if err := r.write(dir); err != nil {
			return err
		}
		announce(m)
	}
	for _, c := range curves {
		r.curves = append(r.curves, measuredCurve{curve: c})
		at := &r.curves[len(r.curves)-1].at
		for _, p := range c.points {
			m, err := s.row(ctx, p.row)
			if err != nil {
				return err
			}
			m.name = fmt.Sprintf("%s: %s", c.name, count(p.n))
			*at = append(*at, m)
			if err := r.write(dir); err != nil {
				return err
			}
			announce(m)
		}
	}
	r.facts = append(r.facts,
		fact{"load average at the end", s.load(ctx)},
		fact{"all took", rounded(time.Since(began)).String()})
	if err := r.write(dir); err != nil {
		return err
	}
	fmt.Printf("\n%s\n%s\n", filepath.Join(dir, markdownFile), filepath.Join(dir, chartFile))
	return nil
}

// usedBy are the tools of rows and curves, in the order of the table of tools. Slipway's
// agents answer for the machine, so it is always one of them.
func usedBy(rows []row, curves []curve) []tool {
	for _, c := range curves {
		for _, p := range c.points {
			rows = append(rows, p.row)
		}
	}
	used := map[string]bool{slipway.name: true}
	for _, r := range rows {
		for _, t := range r.tools {
			used[t.name] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(tools), func(t tool) bool { return !used[t.name] })
}

func (o options) chosen() (chosenRows []row, chosenCurves []curve) {
	for _, r := range rows(o.scale()) {
		if o.rows.MatchString(r.name) {
			chosenRows = append(chosenRows, r)
		}
	}
	if !o.curves {
		return chosenRows, nil
	}
	for _, c := range curves(o.scale()) {
		if o.rows.MatchString(c.name) {
			chosenCurves = append(chosenCurves, c)
		}
	}
	return chosenRows, chosenCurves
}

// names are those of all rows and curves, with what it takes to measure them.
func (o options) names() []string {
	var names []string
	for _, r := range rows(o.scale()) {
		names = append(names, r.name)
	}
	for _, c := range curves(o.scale()) {
		if o.curves {
			names = append(names, c.name)
		} else {
			names = append(names, c.name+" (with -curves)")
		}
	}
	return names
}

// folder is where the report goes.
func (o options) folder(ctx context.Context, now time.Time) (string, error) {
	if o.out != "" {
		return filepath.Abs(o.out)
	}
	source, err := moduleDir(ctx)
	return filepath.Join(source, "bench", "out", now.Format("20060102-150405")), err
}

func (s *stand) row(ctx context.Context, r row) (measured, error) {
	began := time.Now()
	results, err := s.measure(ctx, r)
	return measured{row: r, results: results, took: time.Since(began)}, err
}

// announce tells how a row ended while others are still to come.
func announce(m measured) {
	fmt.Printf("\n%s (%s)\n", m.name, rounded(m.took))
	figures := m.byTool()
	for _, t := range m.tools {
		line := fmt.Sprintf("  %-9s %s", t.name, timeCell(figures, t))
		if t.name != slipway.name {
			line += "  " + times(figures, t)
		}
		fmt.Println(line)
	}
	for _, r := range m.results {
		if len(r.failures) > 0 {
			fmt.Printf("  %s failed %d times, first: %s\n", r.tool.name, len(r.failures), r.failures[0])
		}
	}
	for _, v := range judge(m.row, figures) {
		if !v.reached {
			fmt.Printf("  missed: %s\n", v.text)
		}
	}
}
