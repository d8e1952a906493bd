package solve

import "testing"

func TestCheckEpoch(t *testing.T) {
	const dockerfile = "FROM scratch AS Source\nADD https://example.com/x.tar /\nFROM scratch\n"
	contexts := []BuildContext{{Name: "lib", Value: "lib"}}
	for _, tt := range []struct {
		name, value, dockerfile string
		argument                bool
		want                    string
	}{
		{name: "none", dockerfile: dockerfile},
		{name: "seconds", value: "1700000000", dockerfile: dockerfile},
		{name: "before 1970", value: "-1", dockerfile: dockerfile},
		{name: "the build context's", value: "context", dockerfile: dockerfile},
		{name: "a context's", value: "lib", dockerfile: dockerfile},
		{name: "a stage's", value: "source", dockerfile: dockerfile},
		{name: "another frontend's", value: "now", dockerfile: "# syntax=acme/frontend\n" + dockerfile},
		{name: "a Dockerfile that is elsewhere", value: "now"},
		{name: "a word", value: "now", dockerfile: dockerfile, want: `SOURCE_DATE_EPOCH "now": is not a time in seconds since 1970`},
		{name: "a date", value: "2026-11-28", dockerfile: dockerfile, want: `SOURCE_DATE_EPOCH "2026-11-28": is not a time in seconds since 1970`},
		{name: "a fraction", value: "1.5", dockerfile: dockerfile, argument: true, want: `--build-arg SOURCE_DATE_EPOCH "1.5": is not a time in seconds since 1970`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := inputs{}
			if tt.dockerfile != "" {
				dir := t.TempDir()
				write(t, dir, attrs("Dockerfile", tt.dockerfile))
				in = inputs{Attrs: attrs(attrFilename, "Dockerfile"), Mounts: attrs(mountDockerfile, dir)}
			}
			args := map[string]string{}
			if tt.value != "" {
				args[sourceDateEpoch] = tt.value
			}
			var given map[string]string
			if tt.argument {
				given = args
			}
			got := ""
			if err := checkEpoch(Request{BuildArgs: args, Contexts: contexts}, given, in); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
