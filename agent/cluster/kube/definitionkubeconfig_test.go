package kube

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

// TestAKubeconfigOfADefinitionRunsNothing has files that would do something on
// this machine. They are used when the user names them, and not for a
// definition's sake.
func TestAKubeconfigOfADefinitionRunsNothing(t *testing.T) {
	dir := testFiles(t, map[string]string{
		"token": kubeconfig("api"),
		"exec":  strings.Replace(kubeconfig("api"), "{token: t}", "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./evil, interactiveMode: Never}}", 1),
		"file":  strings.Replace(kubeconfig("api"), "{token: t}", "{tokenFile: /etc/passwd}", 1),
		"empty": "",
	})
	for name, words := range map[string]string{"token": "", "exec": "would run the program ", "file": "would send the content of /etc/passwd"} {
		file := filepath.Join(dir, name)
		for _, own := range []string{"empty", name} {
			around := environment{getenv: func(variable string) string {
				if variable == "KUBECONFIG" {
					return filepath.Join(dir, own)
				}
				return ""
			}}
			_, id, err := resolve(Access{}, file, around)
			refused := own == "empty" && words != ""
			known := (*Error)(nil)
			switch {
			case refused && (!errors.As(err, &known) || known.Reason != ReasonIdentity || !strings.Contains(known.Error(), words) || !strings.Contains(known.Hints()[0], "--kubeconfig "+file)):
				t.Errorf("%s: %v, want a refusal with %q", name, err, words)
			case !refused && (err != nil || id.Server != "https://api"):
				t.Errorf("%s, KUBECONFIG %s: %v", name, own, err)
			}
		}
	}
}
