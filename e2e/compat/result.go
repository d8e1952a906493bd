package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

// result is what came of the scenarios on one cluster.
type result struct {
	// cluster is the version of Kubernetes, and its IP families if not IPv4.
	cluster        string
	passed, failed []string
	// skipped are the scenarios that do not apply to the cluster, parts those of
	// which a part does not: by name, with the reason.
	skipped, parts []reason
	// leftOut are the scenarios that were not run for reasons of their own.
	leftOut []reason
}

// reason is why a scenario, or a part of it, was not run.
type reason struct{ scenario, why string }

// skipText is the line with which go test tells of a t.Skip.
var skipText = regexp.MustCompile(`^\s*\w+_test\.go:\d+: (.*)`)

// notApplicable begins what a scenario logs that needs a newer Kubernetes, as a
// whole or in part (needs and has in e2e/scenarios).
const notApplicable = "not applicable: "

// event is a line of go test -json (cmd/test2json).
type event struct {
	Action, Test, Output string
}

// read takes what go test -json prints, and passes on what failing scenarios say.
func (r *result) read(from io.Reader, failures io.Writer) error {
	said := map[string]*strings.Builder{}
	whys := map[string][]string{}
	last := map[string]string{} // what a scenario has logged last
	decoder := json.NewDecoder(from)
	for {
		var e event
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the results of the scenarios: %w", err)
		}
		scenario, sub, _ := strings.Cut(e.Test, "/")
		switch {
		case e.Action == "output":
			if said[scenario] == nil {
				said[scenario] = &strings.Builder{}
			}
			said[scenario].WriteString(e.Output)
			if text := skipText.FindStringSubmatch(e.Output); text != nil {
				last[scenario] = text[1]
			}
			if _, why, ok := strings.Cut(e.Output, notApplicable); ok {
				whys[scenario] = append(whys[scenario], strings.TrimSpace(why))
			}
		case e.Action == "fail" && sub == "": // of a scenario, or of all where none began
			if scenario != "" {
				r.failed = append(r.failed, scenario)
			}
			if text := said[scenario]; text != nil {
				if _, err := io.WriteString(failures, text.String()); err != nil {
					return err
				}
			}
		case scenario == "" || sub != "":
		case e.Action == "pass":
			r.passed = append(r.passed, scenario)
			for _, why := range whys[scenario] {
				r.parts = append(r.parts, reason{scenario, why})
			}
		case e.Action == "skip" && len(whys[scenario]) > 0:
			r.skipped = append(r.skipped, reason{scenario, whys[scenario][0]})
		case e.Action == "skip":
			r.leftOut = append(r.leftOut, reason{scenario, last[scenario]})
		}
	}
}

// table prints the results, a row for each cluster, and below it what did not
// pass and why.
func table(out io.Writer, results []result) error {
	rows := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(rows, "KUBERNETES\tSCENARIOS\tPASSED\tIN PART\tNOT APPLICABLE\tFAILED\tLEFT OUT")
	var below strings.Builder
	for _, r := range results {
		all := len(r.passed) + len(r.skipped) + len(r.failed)
		partly := map[string]bool{}
		for _, p := range r.parts {
			partly[p.scenario] = true
		}
		fmt.Fprintf(rows, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n", r.cluster, all, len(r.passed), len(partly), len(r.skipped), len(r.failed), len(r.leftOut))
		for _, list := range []struct {
			title   string
			reasons []reason
		}{{"not applicable", r.skipped}, {"in part", r.parts}, {"left out", r.leftOut}} {
			slices.SortFunc(list.reasons, func(a, b reason) int { return strings.Compare(a.scenario+a.why, b.scenario+b.why) })
			for _, one := range list.reasons {
				fmt.Fprintf(&below, "%s, %s: %s: %s\n", r.cluster, list.title, one.scenario, one.why)
			}
		}
		slices.Sort(r.failed)
		for _, scenario := range r.failed {
			fmt.Fprintf(&below, "%s, failed: %s\n", r.cluster, scenario)
		}
	}
	if err := rows.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	_, err := io.WriteString(out, below.String())
	return err
}
