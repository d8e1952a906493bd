package results

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/quick"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const digest = "sha256:8d1f8a7a2b6c4f0e8d1f8a7a2b6c4f0e8d1f8a7a2b6c4f0e8d1f8a7a2b6c4f0e"

// built is a build of two platforms that has been pushed.
func built() Results {
	r := Results{
		Status: Succeeded, Builder: "kube", Duration: 14.6,
		Digest: digest, ImageID: digest, Tags: []string{"registry.example/team/app:1", "registry.example/team/app:latest"},
		Platforms: []Platform{
			{Platform: "linux/amd64", Node: "builder-amd64", Pod: "builder-amd64-0", Ref: "q4vpa6ls9zr3m7f0w1xk2ybtn", Duration: 12.1, Steps: 8, Cached: 5, Digest: "sha256:aa"},
			{Platform: "linux/arm64", Node: "builder-arm64", Pod: "builder-arm64-0", Ref: "u8dhe5cj0ng4o6i2pzqw7rsvl", Duration: 14.2, Steps: 8, Cached: 8, Digest: "sha256:bb"},
		},
		Warnings: []Finding{{Rule: "FromAsCasing", Message: "'as' and 'FROM' keywords' casing do not match", URL: "https://docs.docker.com/go/dockerfile/rule/from-as-casing/", File: "docker/Dockerfile", Line: 1, EndLine: 1, text: "FROM a as b"}},
		Metadata: json.RawMessage(`{"containerimage.digest":"` + digest + `"}`),
		Inputs:   []string{"context: .", "platform: linux/amd64,linux/arm64", "push: true", "tag: registry.example/team/app:1", "tag: registry.example/team/app:latest"},
	}
	r.push(r.Tags...)
	return r
}

// broken is a build that has failed at an instruction.
func broken() Results {
	r := built()
	return Results{
		Status: Failed, ExitCode: 1, Builder: "kube", Duration: 3.2, Platforms: []Platform{{Platform: "linux/arm64", Node: "builder-arm64", Ref: "u8dhe5cj0ng4o6i2pzqw7rsvl", Steps: 2, Cached: 1}}, Warnings: r.Warnings,
		Inputs: []string{"context: .", "platform: linux/arm64"},
		Error: &Failure{
			Message: "linux/arm64 on builder-arm64: RUN make test (Dockerfile:3): exit code: 2", Hints: []string{"look at the log"},
			Excerpt: "Dockerfile:3\n--------------------\n   3 | >>> RUN make test\n--------------------\n",
			Place:   &Finding{Message: "RUN make test: exit code: 2", File: "docker/Dockerfile", Line: 3, EndLine: 3, text: "RUN make test"},
		},
	}
}

// hostile are pieces that a value is made of which wants to be taken for something else.
var hostile = []string{
	"a", "registry.example/app", "=", "<<", "EOF", "slipway_", "digest<<", "\n", "\r\n", "\r", " ", "\t", "\\", "\"", "'", "`", "|", "$(id)", "${X}", "#", "!", ":", ";", "]",
	"</td>", "</code>", "</pre>", "<script>", "<a href=x>", "[x](http://y)", "![x](y)", "@team", "&lt;", "%0A", "::error::", "##vso[task.setvariable variable=x]y", "\x00", "\x1b[31m", "\u202e",
	"\u2028", "\u0085", "\xff", "\xf0\x9f\x98\x80", "ö", "\n\n", "--", "- ", "sha256:", "\ufeff", "\uffff",
}

// hostileText is a text made of bytes: each stands for one of the pieces.
func hostileText(choice []byte) string {
	var b strings.Builder
	for _, c := range choice {
		b.WriteString(hostile[int(c)%len(hostile)])
	}
	return b.String()
}

// hostileResults are results whose values are hostile.
func hostileResults(choice []byte) Results {
	text := func(from int) string { return hostileText(choice[min(from, len(choice)):]) }
	place := Finding{Rule: text(1), Message: text(2), URL: text(3), File: text(4), Line: 2, text: text(5)}
	return Results{
		Status: Failed, Builder: text(0), Image: text(1), Digest: text(2), ImageID: text(3), Tags: []string{text(0), text(4)},
		Platforms: []Platform{{Platform: text(1), Node: text(2), Pod: text(3), Ref: text(4), Digest: text(5), Steps: 1}},
		Warnings:  []Finding{place},
		Error:     &Failure{Message: text(0), Hints: []string{text(1)}, Excerpt: text(2), Place: &place},
		Metadata:  json.RawMessage(`{"a": ` + quoted(text(0)) + `}`),
		Inputs:    []string{text(2), text(3)},
		pushed:    []string{text(0), text(4)},
	}
}

func quoted(text string) string {
	raw, _ := json.Marshal(text)
	return string(raw)
}

// property checks something for many hostile results.
func property(t *testing.T, check func(r Results) error) {
	t.Helper()
	f := func(choice []byte) bool {
		if err := check(hostileResults(choice).clean(nil)); err != nil {
			t.Errorf("%q: %v", hostileText(choice), err)
			return false
		}
		return true
	}
	if err := quick.Check(f, &quick.Config{MaxCount: 500}); err != nil {
		t.Error(err)
	}
}

func same(want, got map[string]string) error {
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("(-want +got):\n%s", diff)
	}
	return nil
}

func TestGitHubOutputs(t *testing.T) {
	data, left := githubOutputs(built(), func() string { return "D" })
	want := "digest<<slipway_D\n" + digest + "\nslipway_D\n" +
		"imageid<<slipway_D\n" + digest + "\nslipway_D\n" +
		"metadata<<slipway_D\n{\n  \"containerimage.digest\": \"" + digest + "\"\n}\nslipway_D\n" +
		"tags<<slipway_D\nregistry.example/team/app:1\nregistry.example/team/app:latest\nslipway_D\n"
	if diff := cmp.Diff(want, string(data)); diff != "" || left != nil {
		t.Errorf("(-want +got):\n%s%q", diff, left)
	}
	if data, left := githubOutputs(broken(), rand.Text); len(data) > 0 || left != nil {
		t.Errorf("a failed build has %q, %q", data, left)
	}
}

// Values are read back by the runner as they are, whatever they hold.
func TestGitHubOutputsAreReadBack(t *testing.T) {
	property(t, func(r Results) error {
		data, _ := githubOutputs(r, rand.Text)
		got, err := readGitHub("before=1\n" + string(data))
		if err != nil {
			return err
		}
		want := map[string]string{"before": "1"}
		for name, value := range map[string]string{"digest": r.Digest, "imageid": r.ImageID, "metadata": indented(r.Metadata), "tags": strings.Join(r.Tags, "\n")} {
			if value != "" {
				want[name] = value
			}
		}
		return same(want, got)
	})
}

// A value that holds the delimiter gets another one.
func TestDelimiterIsNotInTheValue(t *testing.T) {
	n := 0
	random := func() string { n++; return fmt.Sprint(n) }
	data, _ := githubOutputs(Results{Digest: "x\nslipway_1\nevil=1\nslipway_2"}, random)
	got, err := readGitHub(string(data))
	if err != nil || got["digest"] != "x\nslipway_1\nevil=1\nslipway_2" || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestGitHubOutputsTooLarge(t *testing.T) {
	r := built()
	r.Tags = []string{strings.Repeat("x", 10<<20)}
	data, left := githubOutputs(r, rand.Text)
	got, err := readGitHub(string(data))
	if err != nil || got["tags"] != "" || got["digest"] != digest {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if diff := cmp.Diff([]string{"tags (10485760 bytes, at most 1048576 fit)"}, left); diff != "" {
		t.Error(diff)
	}
}

func TestDotenv(t *testing.T) {
	data, left := dotenv(built())
	want := "SLIPWAY_STATUS=succeeded\nSLIPWAY_DIGEST=" + digest + "\nSLIPWAY_IMAGE=registry.example/team/app@" + digest + "\nSLIPWAY_IMAGEID=" + digest +
		"\nSLIPWAY_TAGS=registry.example/team/app:1,registry.example/team/app:latest\n"
	if diff := cmp.Diff(want, string(data)); diff != "" || left != nil {
		t.Errorf("(-want +got):\n%s%q", diff, left)
	}
	many := built()
	for i := range 1000 {
		many.Tags = append(many.Tags, fmt.Sprintf("registry.example/app:%d", i))
	}
	data, left = dotenv(many)
	if got, err := readDotenv(string(data)); err != nil || got["SLIPWAY_DIGEST"] != digest || len(left) != 1 || !strings.HasPrefix(left[0], "SLIPWAY_TAGS (") {
		t.Errorf("%v, %q, %v", got, left, err)
	}
	data, left = dotenv(Results{Status: Failed, Digest: "$(id)", ImageID: "a b"})
	if string(data) != "SLIPWAY_STATUS=failed\n" || len(left) != 2 {
		t.Errorf("%q, %q", data, left)
	}
}

// A report has exactly 5 KiB less one byte at most.
func TestDotenvLimit(t *testing.T) {
	r := Results{Status: Succeeded}
	fixed := len("SLIPWAY_STATUS=succeeded\nSLIPWAY_TAGS=\n")
	for _, tt := range []struct {
		size int
		fits bool
	}{{maxDotenv - fixed - 1, true}, {maxDotenv - fixed, false}} {
		r.Tags = []string{strings.Repeat("x", tt.size)}
		data, left := dotenv(r)
		if _, err := readDotenv(string(data)); err != nil || (left == nil) != tt.fits {
			t.Errorf("%d: %q, %v", tt.size, left, err)
		}
		if !tt.fits && !strings.Contains(left[0], fmt.Sprintf("at most %d fit", maxDotenv-fixed-1)) {
			t.Errorf("%q", left)
		}
	}
}

func TestDotenvIsReadBack(t *testing.T) {
	property(t, func(r Results) error {
		data, left := dotenv(r)
		got, err := readDotenv(string(data))
		if err != nil {
			return err
		}
		if all := len(r.values(",")); len(got)+len(left) != all {
			return fmt.Errorf("%d written and %d left out of %d", len(got), len(left), all)
		}
		for _, one := range r.values(",") {
			if value, ok := got[one.variable()]; ok && value != one.value {
				return fmt.Errorf("%s is %q, want %q", one.name, value, one.value)
			}
		}
		return nil
	})
}

// A shell that reads the file has the same values and runs nothing.
func TestShellsReadDotenv(t *testing.T) {
	path := filepath.Join(t.TempDir(), "slipway.env")
	r := built()
	r.Tags = append(r.Tags, "[2001:db8::1]:5000/app:1")
	data, left := dotenv(r)
	if err := os.WriteFile(path, data, 0o600); err != nil || left != nil {
		t.Fatal(err, left)
	}
	out, err := exec.Command("sh", "-euc", `. "$1"; printf '%s|%s' "$SLIPWAY_IMAGE" "$SLIPWAY_TAGS"`, "sh", path).CombinedOutput()
	if want := r.Image + "|" + strings.Join(r.Tags, ","); err != nil || string(out) != want {
		t.Errorf("%s, %v", out, err)
	}
}

func TestPropertiesAreReadBack(t *testing.T) {
	want := "SLIPWAY_STATUS=succeeded\nSLIPWAY_DIGEST=sha256\\:aa\nSLIPWAY_TAGS=\\ \\u00F6\\uD83D\\uDE00\\n\\\\\n"
	if diff := cmp.Diff(want, string(properties(Results{Status: Succeeded, Digest: "sha256:aa", Tags: []string{" ö😀\n\\"}}))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	property(t, func(r Results) error {
		got, err := readProperties(string(properties(r)))
		if err != nil {
			return err
		}
		want := map[string]string{}
		for _, one := range r.values(",") {
			want[one.variable()] = one.value
		}
		return same(want, got)
	})
}

func TestSummaryOfSuccess(t *testing.T) {
	want := `### Image build succeeded

<table>
<tr><th>Image</th><th>Duration</th><th>Cached</th><th>Builder</th></tr>
<tr><td><code>registry.example/team/app:1</code></td><td>14.6s</td><td>81%</td><td><code>kube</code></td></tr>
</table>

<table>
<tr><th>Platform</th><th>Node</th><th>Build ID</th><th>Duration</th><th>Cached steps</th></tr>
<tr><td><code>linux/amd64</code></td><td><code>builder-amd64</code></td><td><code>q4vpa6ls9zr3m7f0w1xk2ybtn</code></td><td>12.1s</td><td>5 of 8</td></tr>
<tr><td><code>linux/arm64</code></td><td><code>builder-arm64</code></td><td><code>u8dhe5cj0ng4o6i2pzqw7rsvl</code></td><td>14.2s</td><td>8 of 8</td></tr>
</table>

<table>
<tr><th>Digest</th><th>Of</th></tr>
<tr><td><code>` + digest + `</code></td><td>the image</td></tr>
<tr><td><code>sha256:aa</code></td><td><code>linux/amd64</code></td></tr>
<tr><td><code>sha256:bb</code></td><td><code>linux/arm64</code></td></tr>
</table>

<table>
<tr><th>Tags</th></tr>
<tr><td><code>registry.example/team/app:1</code></td></tr>
<tr><td><code>registry.example/team/app:latest</code></td></tr>
</table>

<table>
<tr><th>Warning at</th><th>Rule</th><th>Message</th></tr>
<tr><td><code>docker/Dockerfile:1</code></td><td><code>FromAsCasing</code></td><td><code>&#39;as&#39; and &#39;FROM&#39; keywords&#39; casing do not match</code></td></tr>
</table>

<details>
<summary>Build inputs</summary>

<pre><code>context: .
platform: linux/amd64,linux/arm64
push: true
tag: registry.example/team/app:1
tag: registry.example/team/app:latest
</code></pre>

</details>

`
	if diff := cmp.Diff(want, summary(built())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSummaryOfFailure(t *testing.T) {
	text := summary(broken())
	markdown, cells := readSummary(t, text)
	if diff := cmp.Diff([]string{"### Image build failed"}, markdown); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want := "Dockerfile:3\n--------------------\n   3 | >>> RUN make test\n--------------------\n" +
		"error: linux/arm64 on builder-arm64: RUN make test (Dockerfile:3): exit code: 2\nhint: look at the log\n"
	if message := "linux/arm64 on builder-arm64: RUN make test (Dockerfile:3): exit code: 2"; cells[1] != message || cells[2] != want {
		t.Errorf("%q and %q, want %q and %q", cells[1], cells[2], message, want)
	}
	if !strings.Contains(text, "<details>\n<summary>Details of the error</summary>\n\n<pre>") {
		t.Error(text)
	}
	// A message that is all there is stands once, and columns without a value nowhere.
	short := broken()
	short.Error = &Failure{Message: "no pod"}
	if text := summary(short); strings.Count(text, "no pod") != 1 || strings.Contains(text, "Details of the error") || strings.Contains(text, "<td></td>") {
		t.Error(text)
	}
}

// No value gets out of its cell, be it as HTML or as Markdown.
func TestSummaryHoldsValues(t *testing.T) {
	property(t, func(r Results) error {
		markdown, cells := readSummary(t, summary(r))
		if !slices.Equal(markdown, []string{"### Image build failed"}) {
			return fmt.Errorf("Markdown: %q", markdown)
		}
		if len(cells) > 16 {
			return fmt.Errorf("%d cells", len(cells))
		}
		return nil
	})
}

func TestSummaryFits(t *testing.T) {
	large := broken()
	large.Error.Message = strings.Repeat("<", 1<<20)
	large.Tags = slices.Repeat([]string{strings.Repeat("é", 1<<20)}, 500)
	large.Platforms = slices.Repeat(large.Platforms, 5000)
	if text := summary(large); len(text) < 1<<19 {
		t.Fatalf("%d bytes do not try the limit", len(text))
	}
	for room, want := range map[int]bool{maxGitHub: true, 64 << 10: true, 16 << 10: true, 100: false} {
		text, ok := fitSummary(large, room)
		if ok != want || ok && len(text) > room || !utf8.ValidString(text) {
			t.Errorf("%d bytes: %d, %t", room, len(text), ok)
		}
		readSummary(t, strings.TrimSuffix(text, "\n"))
	}
}

func TestCodeQuality(t *testing.T) {
	r := broken()
	data, err := codeQuality(r)
	if err != nil {
		t.Fatal(err)
	}
	var issues []codeQualityIssue
	if err := json.Unmarshal(data, &issues); err != nil || len(issues) != 2 {
		t.Fatalf("%s %v", data, err)
	}
	failed, warned := issues[0], issues[1]
	if failed.Severity != "critical" || failed.CheckName != "dockerfile" || failed.Description != "RUN make test: exit code: 2" || failed.Location.Path != "docker/Dockerfile" || failed.Location.Lines.Begin != 3 {
		t.Errorf("%+v", failed)
	}
	if warned.Severity != "minor" || warned.CheckName != "FromAsCasing" || warned.Location.Lines.Begin != 1 || !strings.HasSuffix(warned.Description, "/from-as-casing/)") {
		t.Errorf("%+v", warned)
	}
	// Lines above change the place, not the fingerprint; the same text twice has two.
	r.Warnings = []Finding{r.Warnings[0], r.Warnings[0]}
	r.Warnings[0].Line, r.Warnings[1].Line = 11, 12
	data, _ = codeQuality(r)
	var moved []codeQualityIssue
	if err := json.Unmarshal(data, &moved); err != nil {
		t.Fatal(err)
	}
	if moved[1].Fingerprint != warned.Fingerprint || moved[2].Fingerprint == warned.Fingerprint || len(warned.Fingerprint) != 64 {
		t.Errorf("%s, then %s and %s", warned.Fingerprint, moved[1].Fingerprint, moved[2].Fingerprint)
	}
	if data, err := codeQuality(Results{Warnings: []Finding{{Message: "outside", File: "/tmp/Dockerfile"}, {Message: "nowhere"}}}); err != nil || string(data) != "[]\n" {
		t.Errorf("without a finding: %s, %v", data, err)
	}
}

func TestAnnotations(t *testing.T) {
	r := Results{Digest: digest}
	r.push("gitlab.example:5050/team/app:1", "gitlab.example:5050/team/app:2", "alpine:1", "docker.io/team/app:1", "ghcr.io/team/app:1", "not a name")
	data, err := annotations(r, GitLab{ProjectURL: "https://gitlab.example/team/app", Registry: "gitlab.example:5050"})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string][]struct {
		ExternalLink map[string]string `json:"external_link"`
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	var links []string
	for _, one := range got["Images"] {
		links = append(links, one.ExternalLink["label"]+" "+one.ExternalLink["url"])
	}
	want := []string{
		"gitlab.example:5050/team/app:1 https://gitlab.example/team/app/container_registry",
		"alpine:1 https://hub.docker.com/_/alpine",
		"docker.io/team/app:1 https://hub.docker.com/r/team/app",
		"ghcr.io/team/app:1 https://ghcr.io/team/app",
	}
	if diff := cmp.Diff(want, links); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if data, err := annotations(Results{}, GitLab{}); err != nil || string(data) != "{}\n" {
		t.Errorf("%s, %v", data, err)
	}
}

func TestWarningsNG(t *testing.T) {
	data, err := warningsNG(broken())
	want := `{"fileName":"docker/Dockerfile","lineStart":3,"lineEnd":3,"severity":"ERROR","category":"Dockerfile","type":"build","message":"RUN make test: exit code: 2"}
{"fileName":"docker/Dockerfile","lineStart":1,"lineEnd":1,"severity":"NORMAL","category":"Dockerfile","type":"FromAsCasing","message":"'as' and 'FROM' keywords' casing do not match"}
`
	if diff := cmp.Diff(want, string(data)); diff != "" || err != nil {
		t.Errorf("(-want +got):\n%s%v", diff, err)
	}
}

// Reports of findings are JSON, one object for each finding.
func TestFindingsAreReadBack(t *testing.T) {
	property(t, func(r Results) error {
		data, err := warningsNG(r)
		if err != nil {
			return err
		}
		lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		if len(lines) != 2 {
			return fmt.Errorf("%d lines", len(lines))
		}
		for i, message := range []string{r.Error.Place.Message, r.Warnings[0].Message} {
			var issue jenkinsIssue
			if err := json.Unmarshal([]byte(lines[i]), &issue); err != nil || issue.Message != message || issue.FileName != r.Warnings[0].File {
				return fmt.Errorf("%s: %w", lines[i], err)
			}
		}
		data, err = codeQuality(r)
		if err != nil {
			return err
		}
		var issues []codeQualityIssue
		return json.Unmarshal(data, &issues)
	})
}

func TestTekton(t *testing.T) {
	text := func(files []file) (out []string) {
		for _, f := range files {
			out = append(out, f.name+"="+string(f.data))
		}
		return out
	}
	r := built()
	r.push("other.example/app:1")
	image := "registry.example/team/app@" + digest
	want := []string{"IMAGE_DIGEST=" + digest, "IMAGE_URL=registry.example/team/app:1", "IMAGES=" + image + ",other.example/app@" + digest}
	files, left := tektonResults(r, maxTekton)
	if diff := cmp.Diff(want, text(files)); diff != "" || left != nil {
		t.Errorf("(-want +got):\n%s%q", diff, left)
	}
	files, left = tektonResults(r, 250)
	if diff := cmp.Diff(want[:2], text(files)); diff != "" || len(left) != 1 || !strings.HasPrefix(left[0], "IMAGES (") {
		t.Errorf("(-want +got):\n%s%q", diff, left)
	}
	if files, left = tektonResults(r, -10); len(files) > 0 || len(left) != 3 || !strings.HasSuffix(left[0], "at most 0 fit)") {
		t.Errorf("without room %q, %q", text(files), left)
	}
	for name, r := range map[string]Results{"failed": broken(), "not pushed": {Status: Succeeded, Digest: digest, Tags: []string{"a:1"}}} {
		if files, left := tektonResults(r, maxTekton); len(files) > 0 || left != nil {
			t.Errorf("%s: %q, %q", name, text(files), left)
		}
	}
}

// What Tekton passes on is its own JSON, and has to fit as that.
func TestTektonResultsFit(t *testing.T) {
	r := built()
	for i := range 200 {
		r.push(fmt.Sprintf("registry-%d.example/app:1", i))
		files, _ := tektonResults(r, maxTekton-tektonOwn)
		type entry struct {
			Key   string `json:"key"`
			Value string `json:"value"`
			Type  int    `json:"type"`
		}
		entries := []entry{{"StartedAt", "2026-01-02T03:04:05.678Z", 3}}
		for _, f := range files {
			entries = append(entries, entry{f.name, string(f.data), 1})
		}
		if message, err := json.Marshal(entries); err != nil || len(message) > maxTekton {
			t.Fatalf("%d bytes, %v", len(message), err)
		}
	}
}

func TestAzure(t *testing.T) {
	lines, left := azureCommands(built())
	want := []string{
		"##vso[task.setvariable variable=SLIPWAY_STATUS;isOutput=true]succeeded",
		"##vso[task.setvariable variable=SLIPWAY_DIGEST;isOutput=true]" + digest,
		"##vso[task.setvariable variable=SLIPWAY_IMAGE;isOutput=true]registry.example/team/app@" + digest,
		"##vso[task.setvariable variable=SLIPWAY_IMAGEID;isOutput=true]" + digest,
		"##vso[task.setvariable variable=SLIPWAY_TAGS;isOutput=true]registry.example/team/app:1,registry.example/team/app:latest",
	}
	if diff := cmp.Diff(want, lines); diff != "" || left != nil {
		t.Errorf("(-want +got):\n%s%q", diff, left)
	}
	property(t, func(r Results) error {
		lines, _ := azureCommands(r)
		for _, line := range lines {
			properties, value, ok := strings.Cut(line, "]")
			if !ok || strings.Count(properties, "[") != 1 || strings.Count(properties, ";") != 1 || strings.ContainsAny(line, "\r\n%") || strings.Contains(value, "##vso") {
				return fmt.Errorf("%q", line)
			}
		}
		return nil
	})
}

func TestBuildkiteCalls(t *testing.T) {
	calls, left := Buildkite{StepKey: "image"}.calls(broken())
	if len(calls) != 2 || left != nil {
		t.Fatalf("%v, %q", calls, left)
	}
	if diff := cmp.Diff([]string{"meta-data", "set", "slipway:image:status"}, calls[0].args); diff != "" || calls[0].stdin != "failed" {
		t.Error(diff, calls[0].stdin)
	}
	if diff := cmp.Diff([]string{"annotate", "--style", "error", "--context", "slipway:image:build"}, calls[1].args); diff != "" || !strings.Contains(calls[1].stdin, "exit code: 2") {
		t.Error(diff, calls[1].stdin)
	}
	r := built()
	r.Tags = []string{strings.Repeat("x", maxMetaData+1)}
	calls, left = Buildkite{}.calls(r)
	if len(calls) != 5 || len(left) != 1 || calls[1].args[2] != "slipway:digest" || calls[4].args[2] != "success" {
		t.Errorf("%v, %q", calls, left)
	}
}

// Each form makes something of every hostile text, and it is read back.
func FuzzForms(f *testing.F) {
	f.Add([]byte("abc"))
	f.Add([]byte{7, 8, 9, 2, 3, 5})
	f.Fuzz(func(t *testing.T, choice []byte) {
		r := hostileResults(choice).clean(nil)
		outputs, _ := githubOutputs(r, rand.Text)
		if got, err := readGitHub(string(outputs)); err != nil || got["digest"] != r.Digest {
			t.Errorf("outputs: %q, %v", got, err)
		}
		if got, err := readProperties(string(properties(r))); err != nil || got["SLIPWAY_DIGEST"] != r.Digest {
			t.Errorf("properties: %q, %v", got, err)
		}
		env, _ := dotenv(r)
		if _, err := readDotenv(string(env)); err != nil {
			t.Errorf("dotenv: %v", err)
		}
		if markdown, _ := readSummary(t, summary(r)); len(markdown) != 1 {
			t.Errorf("Markdown: %q", markdown)
		}
	})
}
