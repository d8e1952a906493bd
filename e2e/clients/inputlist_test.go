package clients

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// oracle reads lists as build-push-action does, by the library that it uses: for each
// text on standard input the items of the three kinds of lists, null where it is refused.
const oracle = `
const {parse} = require('csv-parse/sync');
function list(text, comma, quote) {
  text = text.trim();
  if (text === '') return [];
  let records;
  try {
    records = parse(text, {columns: false, relaxQuotes: true, relaxColumnCount: true, skipEmptyLines: true, quote});
  } catch (e) {
    return null;
  }
  const items = [];
  for (const record of records) {
    if (!comma) items.push(record.join(','));
    else if (record.length === 1) items.push(...record[0].split(','));
    else items.push(...record);
  }
  return items.map(item => item.trim()).filter(item => item);
}
const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));
console.log(JSON.stringify(texts.map(text => ({split: list(text, true), join: list(text, false), raw: list(text, false, false)}))));
`

// TestListsAreReadAsBuildPushActionDoes compares the script's reading of lists with the
// library's, for texts of whatever matters to either.
func TestListsAreReadAsBuildPushActionDoes(t *testing.T) {
	t.Parallel()
	node, program, err := GitLabCILocal("programs/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	parts := []string{"a", "=", "b c", ",", ",", "\n", "\n", `"`, `"`, `""`, " ", "'", "$(x)", "\\", "é", "-"}
	random := rand.New(rand.NewPCG(1, 2))
	var texts []string
	for range 50 {
		var text strings.Builder
		text.WriteString("x") // an empty list is another test
		for range 2 + random.IntN(12) {
			text.WriteString(parts[random.IntN(len(parts))])
		}
		texts = append(texts, text.String()[random.IntN(2):])
	}
	asked, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "-e", oracle)
	cmd.Dir = filepath.Join(filepath.Dir(program), "../../..")
	cmd.Stdin = bytes.NewReader(asked)
	answer, err := cmd.Output()
	if err != nil {
		t.Fatalf("ask csv-parse: %v", err)
	}
	var want []struct{ Split, Join, Raw []string }
	if err := json.Unmarshal(answer, &want); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	atOnce := make(chan struct{}, 2)
	for i, text := range texts {
		running.Go(func() {
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			for _, kind := range []struct {
				name, flag string
				want       []string
			}{{"INPUT_TAGS", "--tag=", want[i].Split}, {"INPUT_BUILD_ARGS", "--build-arg=", want[i].Join}, {"INPUT_OUTPUTS", "--output=", want[i].Raw}} {
				o := runScript(t, map[string]string{"INPUT_CONTEXT": ".", kind.name: text})
				var got []string
				if o.code == 0 {
					got = []string{}
				}
				for _, arg := range o.args {
					if item, ok := strings.CutPrefix(arg, kind.flag); ok {
						got = append(got, item)
					}
				}
				if diff := cmp.Diff(kind.want, got); diff != "" {
					t.Errorf("%s %q (-want +got):\n%s%s", kind.name, text, diff, o.stderr)
				}
			}
		})
	}
	running.Wait()
}
