package session

import (
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/fault/faulttest"
	"github.com/slipway-build/slipway/internal/source"
	"github.com/slipway-build/slipway/internal/source/sourcetest"
)

func TestParseSecret(t *testing.T) {
	tests := []struct {
		value string
		want  Secret
		fails string
	}{
		{value: "id=a", want: Secret{ID: "a"}},
		{value: "id=a,src=f", want: Secret{ID: "a", File: "f"}},
		{value: "id=a,source=f", want: Secret{ID: "a", File: "f"}},
		{value: "ID=a,SRC=f", want: Secret{ID: "a", File: "f"}},
		{value: "type=file,id=a,src=f", want: Secret{ID: "a", File: "f"}},
		{value: "id=a,env=E", want: Secret{ID: "a", Env: "E"}},
		{value: "type=env,id=a,src=E", want: Secret{ID: "a", Env: "E"}},
		{value: "type=env,id=a,env=E", want: Secret{ID: "a", Env: "E"}},
		{value: "type=env,id=a", want: Secret{ID: "a"}},
		{value: `id=a,"src=x,y"`, want: Secret{ID: "a", File: "x,y"}},
		{value: "", fails: "is empty"},
		{value: "src=f", fails: "id is missing"},
		{value: "id=", fails: "id is missing"},
		{value: "mysecret", fails: `"mysecret" is not key=value`},
		{value: "id=a,src=f,env=E", fails: "exclude each other"},
		{value: "id=a,type=file,env=E", fails: "exclude each other"},
		{value: "id=a,type=vault", fails: `unknown type "vault"`},
		{value: "id=a,mode=0400", fails: `unknown key "mode"`},
		{value: `id=a,"src=f`, fails: "is not valid CSV"},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			got, err := ParseSecret(tt.value)
			if tt.fails != "" {
				faulttest.WantUsage(t, err, "--secret", tt.fails)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("secret (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseSecret(f *testing.F) {
	f.Add("id=a,src=b")
	f.Add(`type=env,id="a"`)
	f.Fuzz(func(t *testing.T, value string) {
		s, err := ParseSecret(value)
		if err == nil && (s.ID == "" || s.File != "" && s.Env != "") {
			t.Errorf("ParseSecret(%q) = %+v", value, s)
		}
	})
}

func TestParseSSH(t *testing.T) {
	tests := []struct {
		value string
		want  SSH
		fails string
	}{
		{value: "default", want: SSH{ID: "default"}},
		{value: "", fails: "is empty"},
		{value: "git", want: SSH{ID: "git"}},
		{value: "git=", want: SSH{ID: "git"}},
		{value: "=a", want: SSH{ID: "default", Paths: []string{"a"}}},
		{value: "git=a,b=c", want: SSH{ID: "git", Paths: []string{"a", "b=c"}}},
		{value: "git=a,", fails: "a path is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			got, err := ParseSSH(tt.value)
			if tt.fails != "" {
				faulttest.WantUsage(t, err, "--ssh", tt.fails)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ssh (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSecretStore(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile("secret", []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("s")
	lookup := sourcetest.Env("VAR", "from env", "byid", "named like its id")
	files := source.New(t.Context(), nil)
	var told []string
	store := secretStore{map[string]Secret{}, files, lookup, func(value string) { told = append(told, value) }}
	for _, s := range []Secret{{ID: "e", Env: "VAR"}, {ID: "f", File: "secret"}, {ID: "byid"}, {ID: "secret"}} {
		resolved, _, problem := s.resolve(files, lookup)
		if problem != nil {
			t.Fatal(problem)
		}
		store.byID[s.ID] = resolved
	}
	for id, want := range map[string]string{"e": "from env", "f": "s", "byid": "named like its id", "secret": "s"} {
		if got, err := store.GetSecret(t.Context(), id); err != nil || string(got) != want {
			t.Errorf("secret %s = %q, %v; want %q", id, got, err, want)
		}
	}
	// A token that is renewed during the build is fresh.
	write("renewed")
	if got, err := store.GetSecret(t.Context(), "f"); err != nil || string(got) != "renewed" {
		t.Errorf("renewed secret = %q, %v", got, err)
	}
	if _, err := store.GetSecret(t.Context(), "nope"); err == nil {
		t.Error("no error for an unknown secret")
	}
	// What a builder knows may be printed, and must be known before.
	slices.Sort(told)
	if diff := cmp.Diff([]string{"from env", "named like its id", "renewed", "s", "s"}, told); diff != "" {
		t.Errorf("told of (-want +got):\n%s", diff)
	}
}

// Two nodes ask for a secret that can be read once.
func TestSecretOfPipe(t *testing.T) {
	files := source.New(t.Context(), nil)
	secret, warning, problem := Secret{ID: "t", File: sourcetest.Pipe(t, []byte("0123456789"))}.resolve(files, sourcetest.Env())
	if problem != nil || warning != "" {
		t.Fatal(problem, warning)
	}
	store := secretStore{map[string]Secret{"t": secret}, files, sourcetest.Env(), nil}
	for range 2 {
		if got, err := store.GetSecret(t.Context(), "t"); err != nil || string(got) != "0123456789" {
			t.Errorf("%q, %v", got, err)
		}
	}
	_, warning, problem = Secret{ID: "t", File: sourcetest.Pipe(t, nil)}.resolve(files, sourcetest.Env())
	if problem != nil || warning == "" {
		t.Errorf("an empty pipe: %v, %q", problem, warning)
	}
}

// A key is read to check it and again by BuildKit's provider.
func TestSSHKeyOfPipe(t *testing.T) {
	files := source.New(t.Context(), nil)
	defer func() { _ = files.Close() }()
	_, key := sourcetest.KeyPair(t)
	var found fault.UsageList
	agents := sshAgents(t.Context(), []SSH{{ID: "default", Paths: []string{sourcetest.Pipe(t, []byte(key))}}}, files, sourcetest.Env(), &found)
	if err := found.Err(); err != nil || agents == nil {
		t.Errorf("%v, %v", agents, err)
	}
}
