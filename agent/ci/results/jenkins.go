package results

import (
	"bytes"
	"cmp"
	"encoding/json"
)

// jenkinsIssue is a finding in the native format of Jenkins' Warnings plugin.
type jenkinsIssue struct {
	FileName  string `json:"fileName,omitempty"`
	LineStart int    `json:"lineStart,omitempty"`
	LineEnd   int    `json:"lineEnd,omitempty"`
	Severity  string `json:"severity"`
	Category  string `json:"category"`
	Type      string `json:"type"`
	Message   string `json:"message"`
}

// warningsNG are the findings for recordIssues(tool: issues(…)) of Jenkins, one JSON
// object a line. The plugin reads lines from files whose name does not end in .json.
//
//	https://github.com/jenkinsci/analysis-model/blob/main/src/main/java/edu/hm/hafner/analysis/parser/JsonLogParser.java
func warningsNG(r Results) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	add := func(f Finding, severity string) error {
		return encoder.Encode(jenkinsIssue{
			FileName: f.File, LineStart: f.Line, LineEnd: f.EndLine, Severity: severity,
			Category: "Dockerfile", Type: cmp.Or(f.Rule, "build"), Message: f.Message,
		})
	}
	if r.Error != nil && r.Error.Place != nil {
		if err := add(*r.Error.Place, "ERROR"); err != nil {
			return nil, err
		}
	}
	for _, w := range r.Warnings {
		if err := add(w, "NORMAL"); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}
