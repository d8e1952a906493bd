package kube

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/slipway-build/slipway/internal/sanitize"
	"github.com/slipway-build/slipway/internal/source"
)

// Access is what the user said about the cluster; all of it may be empty.
type Access struct {
	// Kubeconfig is a path; empty means the usual search.
	Kubeconfig string
	// Context names a context of the kubeconfig; empty means its current one.
	Context string
	// UserAgent is sent with each request, as in "slipway/1.2.3".
	UserAgent string
	// Files reads the kubeconfig and the certificates of remote builders.
	Files *source.Reader
	// Home is the user's home directory, which has the default kubeconfig; empty
	// is none.
	Home string
	// Lookup reads the variables by which an identity is found (KUBECONFIG and
	// those of the pod's service account); nil reads none.
	Lookup func(name string) (string, bool)
	// Observe, if set, is called when a request to the API server begins, as in
	// "GET /api/v1/namespaces/ci/pods"; what it returns when the answer has
	// begun.
	Observe func(request string) func()
}

// Source says where an identity was found.
type Source string

// The sources in the order in which they are tried.
const (
	SourceFlags          Source = "flags"
	SourceServiceAccount Source = "service account"
	SourceKubeconfig     Source = "kubeconfig"
	SourceDefinition     Source = "definition"
)

// Identity is who Slipway is to the cluster, without its secret.
type Identity struct {
	Source Source
	// Files are the kubeconfigs or the token file it was read from.
	Files []string
	// Context is the kubeconfig's context, empty for a service account.
	Context string
	// Server is the URL of the API server.
	Server string
	// Namespace is used by nodes that name none.
	Namespace string
}

// String is one line for a log or a hint.
func (i Identity) String() string {
	s := string(i.Source)
	if len(i.Files) > 0 {
		s += " " + strings.Join(i.Files, ", ")
	}
	if i.Context != "" {
		s += ", context " + i.Context
	}
	return s
}

// environment are what of the machine and the process an identity depends on.
type environment struct {
	getenv func(string) string
	home   string
	// serviceAccount is where the kubelet mounts token, ca.crt and namespace.
	serviceAccount string
}

func (a Access) environment() environment {
	getenv := func(name string) string {
		if a.Lookup == nil {
			return ""
		}
		value, _ := a.Lookup(name)
		return value
	}
	return environment{
		getenv: getenv,
		// Without a home there is no default kubeconfig, which resolve reports
		// among what it tried.
		home:           a.Home,
		serviceAccount: "/var/run/secrets/kubernetes.io/serviceaccount",
	}
}

// resolve finds the identity: what the flags name, the pod's service account,
// KUBECONFIG or the default file, the definition's kubeconfig. The service
// account goes before a kubeconfig because a stray one in an agent image must
// not win over what the pod was given.
func resolve(access Access, definitionKubeconfig string, around environment) (*rest.Config, Identity, error) {
	var tried []string
	if access.Kubeconfig != "" || access.Context != "" {
		files := []string{access.Kubeconfig}
		if access.Kubeconfig == "" {
			files = around.kubeconfigs()
		}
		cfg, id, why, err := fromKubeconfig(access.Files, files, access.Context, SourceFlags)
		if err != nil || cfg != nil {
			return cfg, id, err
		}
		return nil, Identity{}, &Error{
			Reason:  ReasonIdentity,
			Message: "the kubeconfig that was asked for cannot be used: " + why,
			Advice:  []string{"check --kubeconfig and --context"},
		}
	}

	cfg, id, why, err := fromServiceAccount(around)
	if err != nil || cfg != nil {
		return cfg, id, err
	}
	tried = append(tried, why)

	cfg, id, why, err = fromKubeconfig(access.Files, around.kubeconfigs(), "", SourceKubeconfig)
	if err != nil || cfg != nil {
		return cfg, id, err
	}
	if around.getenv("KUBECONFIG") == "" {
		why = "KUBECONFIG is not set and " + why
	} else {
		why = "KUBECONFIG: " + why
	}
	tried = append(tried, why)

	if definitionKubeconfig == "" {
		tried = append(tried, "the definition names no kubeconfig")
	} else {
		cfg, id, why, err = fromKubeconfig(access.Files, []string{definitionKubeconfig}, "", SourceDefinition)
		if err == nil && cfg != nil {
			err = checkDefinitionKubeconfig(cfg, definitionKubeconfig)
		}
		if err != nil || cfg != nil {
			return cfg, id, err
		}
		tried = append(tried, "the definition's "+why)
	}
	return nil, Identity{}, &Error{
		Reason:  ReasonIdentity,
		Message: "no identity for a Kubernetes cluster found: " + strings.Join(tried, "; "),
		Advice: []string{
			"in a pod: set serviceAccountName and leave automountServiceAccountToken on",
			"elsewhere: give --kubeconfig FILE or set KUBECONFIG",
		},
	}
}

// checkDefinitionKubeconfig refuses a kubeconfig that nobody but a definition names where it
// would run a program here, or send the content of a file to a server of its
// choice. Definitions come from repositories, too. The user's own files are tried
// before.
func checkDefinitionKubeconfig(cfg *rest.Config, file string) error {
	what := ""
	switch {
	case cfg.ExecProvider != nil:
		what = "run the program " + cfg.ExecProvider.Command
	case cfg.AuthProvider != nil:
		what = "use the authentication plugin " + cfg.AuthProvider.Name
	case cfg.BearerTokenFile != "":
		what = "send the content of " + cfg.BearerTokenFile
	default:
		return nil
	}
	return &Error{
		Reason:  ReasonIdentity,
		Message: fmt.Sprintf("the kubeconfig %s, which only the definition names, would %s: that is not for a definition to say", file, sanitize.Line(what)),
		Advice:  []string{"if it is your own, say so: --kubeconfig " + file + ", or KUBECONFIG=" + file},
	}
}

// HasIdentity reports whether there is an identity for a cluster, or something that is
// meant to be one and cannot be used.
func (a Access) HasIdentity() bool {
	_, _, err := resolve(a, "", a.environment())
	known := (*Error)(nil)
	return a.Kubeconfig != "" || a.Context != "" || !errors.As(err, &known) || known.Reason != ReasonIdentity
}

func (s environment) kubeconfigs() []string {
	if list := s.getenv(clientcmd.RecommendedConfigPathEnvVar); list != "" {
		return slices.DeleteFunc(filepath.SplitList(list), func(p string) bool { return p == "" })
	}
	if s.home == "" {
		return nil
	}
	return []string{filepath.Join(s.home, clientcmd.RecommendedHomeDir, clientcmd.RecommendedFileName)}
}

// fromServiceAccount is rest.InClusterConfig with the directory as an
// argument and with the reason why it does not apply. Both fields of the
// token are set so that client-go reads the file again when the kubelet
// rotates it.
func fromServiceAccount(around environment) (cfg *rest.Config, id Identity, why string, err error) {
	host, port := around.getenv("KUBERNETES_SERVICE_HOST"), around.getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, Identity{}, "not in a pod (KUBERNETES_SERVICE_HOST is not set)", nil
	}
	tokenFile := filepath.Join(around.serviceAccount, "token")
	token, err := os.ReadFile(tokenFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Identity{}, "this pod has no service account token (" + tokenFile + ")", nil
	}
	if err != nil {
		return nil, Identity{}, "", identityError("read the service account's token", err)
	}
	namespace, err := os.ReadFile(filepath.Join(around.serviceAccount, "namespace"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, Identity{}, "", identityError("read the service account's namespace", err)
	}
	cfg = &rest.Config{
		Host:            "https://" + net.JoinHostPort(host, port),
		BearerToken:     strings.TrimSpace(string(token)),
		BearerTokenFile: tokenFile,
		TLSClientConfig: rest.TLSClientConfig{CAFile: filepath.Join(around.serviceAccount, "ca.crt")},
	}
	if _, err := os.Stat(cfg.CAFile); errors.Is(err, fs.ErrNotExist) {
		// The API server then must have a certificate that the system trusts.
		cfg.CAFile = ""
	}
	return cfg, Identity{
		Source:    SourceServiceAccount,
		Files:     []string{tokenFile},
		Server:    cfg.Host,
		Namespace: orDefault(strings.TrimSpace(string(namespace))),
	}, "", nil
}

// fromKubeconfig merges files as kubectl does. It returns no config and a
// reason when there is nothing to use in them, and an error when there is but
// it is broken: a broken file must not make another identity win silently.
func fromKubeconfig(reader *source.Reader, files []string, context string, from Source) (cfg *rest.Config, id Identity, why string, err error) {
	existing := slices.DeleteFunc(slices.Clone(files), func(f string) bool {
		_, err := os.Stat(f)
		return errors.Is(err, fs.ErrNotExist)
	})
	switch {
	case len(files) == 0:
		return nil, Identity{}, "there is no home directory to look for a kubeconfig in", nil
	case len(existing) == 0:
		return nil, Identity{}, "kubeconfig " + strings.Join(files, ", ") + " does not exist", nil
	}
	// Loading by hand and not through a deferred client config, because that
	// falls back to the service account and so hides the reason.
	readable := make([]string, len(existing))
	for i, f := range existing {
		if readable[i], err = reader.Path(f, source.MaxConfig); err != nil {
			return nil, Identity{}, "", identityError("read the kubeconfig "+f, err)
		}
	}
	raw, err := (&clientcmd.ClientConfigLoadingRules{Precedence: readable}).Load()
	if err != nil {
		return nil, Identity{}, "", identityError("read the kubeconfig", err)
	}
	if context == "" {
		context = raw.CurrentContext
	}
	if context == "" {
		return nil, Identity{}, "kubeconfig " + strings.Join(existing, ", ") + " has no current context", nil
	}
	if raw.Contexts[context] == nil {
		return nil, Identity{}, "", &Error{
			Reason:  ReasonIdentity,
			Message: fmt.Sprintf("kubeconfig %s has no context %q", strings.Join(existing, ", "), context),
			Advice:  []string{contextsHint(raw)},
		}
	}
	client := clientcmd.NewNonInteractiveClientConfig(*raw, context, &clientcmd.ConfigOverrides{}, nil)
	cfg, err = client.ClientConfig()
	if err != nil {
		return nil, Identity{}, "", identityError(fmt.Sprintf("use context %q of kubeconfig %s", context, strings.Join(existing, ", ")), err)
	}
	return cfg, Identity{
		Source:    from,
		Files:     existing,
		Context:   context,
		Server:    cfg.Host,
		Namespace: orDefault(raw.Contexts[context].Namespace),
	}, "", nil
}

func contextsHint(raw *clientcmdapi.Config) string {
	names := make([]string, 0, len(raw.Contexts))
	for name := range raw.Contexts {
		names = append(names, name)
	}
	if len(names) == 0 {
		return "it has no contexts at all"
	}
	slices.Sort(names)
	return "its contexts are: " + strings.Join(names, ", ")
}

func identityError(doing string, err error) error {
	return &Error{Reason: ReasonIdentity, Message: doing + ": " + err.Error(), Cause: err}
}

func orDefault(namespace string) string {
	if namespace == "" {
		return "default"
	}
	return namespace
}
