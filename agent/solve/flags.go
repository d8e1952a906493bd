package solve

import (
	"cmp"
	"fmt"
	"net"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/docker/go-units"
	"github.com/moby/buildkit/util/entitlements"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/tonistiigi/go-csvvalue"

	"github.com/slipway-build/slipway/agent/solve/output"
	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/ociplatform"
)

// The flags whose values need a few lines each. Those of outputs, caches, secrets
// and SSH agents are parsed by the packages that these belong to.

// ParsePlatforms parses the values of --platform, each a list with commas of
// os/arch[/variant], or "local" for the agent's own. They come back
// normalized, in order, each once. The error is a *fault.Usage.
func ParsePlatforms(values []string) ([]ocispecs.Platform, error) {
	var list []ocispecs.Platform
	seen := map[string]bool{}
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			p, problem, hint := parsePlatform(strings.TrimSpace(name))
			if value != "" && strings.TrimSpace(name) == "" { // what containerd says of it explains nothing
				problem = "a platform between the commas is missing"
			}
			if problem != "" {
				return nil, &fault.Usage{Flag: "--platform", Value: value, Problem: problem, Hint: cmp.Or(hint, platformForm)}
			}
			if key := platforms.FormatAll(p); !seen[key] {
				seen[key] = true
				list = append(list, p)
			}
		}
	}
	return list, nil
}

const platformForm = "the form is OS/ARCH[/VARIANT], for example linux/amd64,linux/arm64"

func parsePlatform(name string) (p ocispecs.Platform, problem, hint string) {
	if strings.EqualFold(name, "local") {
		return platforms.Normalize(platforms.DefaultSpec()), "", ""
	}
	return ociplatform.Parse(name)
}

// ParseTag checks an image reference of --tag and returns it in full:
// docker.io/library/app:latest for app. Registries, BuildKit and the merging
// of several nodes' images then mean the same by it. The error is a
// *fault.Usage.
func ParseTag(value string) (string, error) {
	fail := func(problem, hint string) (string, error) {
		return "", &fault.Usage{Flag: "--tag", Value: value, Problem: problem, Hint: hint}
	}
	if value == "" {
		return fail("is empty", "")
	}
	named, err := reference.ParseNormalizedNamed(value)
	if err != nil {
		return fail(err.Error(), "the form is [HOST/]NAME[:TAG], in lower case but for the tag")
	}
	if _, ok := named.(reference.Digested); ok {
		return fail("has a digest, which only the result of the build can tell", "leave out @ and what follows")
	}
	return reference.TagNameOnly(named).String(), nil
}

// ParseBuildArgs parses the values of --build-arg. KEY=VALUE sets a value, a
// bare KEY takes that of the environment variable and is left out when there
// is none. The error is a *fault.Usage.
func ParseBuildArgs(values []string, lookup func(string) (string, bool)) (map[string]string, error) {
	args := make(map[string]string, len(values))
	for _, pair := range values {
		key, value, ok := strings.Cut(pair, "=")
		if key == "" {
			// The value is left out: it may be a secret in the wrong place.
			return nil, &fault.Usage{Flag: "--build-arg", Problem: "the name before = is empty"}
		}
		if ok {
			args[key] = value
		} else if value, set := lookup(key); set {
			args[key] = value
		}
	}
	return args, nil
}

// ParseLabels parses the values of --label, KEY=VALUE; a bare KEY has an
// empty value. The error is a *fault.Usage.
func ParseLabels(values []string) (map[string]string, error) {
	labels := make(map[string]string, len(values))
	for _, pair := range values {
		key, value, _ := strings.Cut(pair, "=")
		if key == "" {
			return nil, &fault.Usage{Flag: "--label", Value: pair, Problem: "the name before = is empty"}
		}
		labels[key] = value
	}
	return labels, nil
}

// BuildContext is a parsed --build-context: further files or an image under a
// name that the Dockerfile refers to.
type BuildContext struct {
	// Name as BuildKit spells it: familiar, without ":latest".
	Name string
	// Value is a directory, a git or http(s) URL, docker-image://REF or
	// oci-layout://DIR[:TAG][@DIGEST].
	Value string
}

// ParseBuildContext parses NAME=VALUE. The error is a *fault.Usage.
func ParseBuildContext(value string) (BuildContext, error) {
	fail := func(problem string) (BuildContext, error) {
		return BuildContext{}, &fault.Usage{
			Flag: "--build-context", Value: value, Problem: problem,
			Hint: "the form is NAME=DIR, NAME=URL, NAME=docker-image://REF or NAME=oci-layout://DIR[:TAG][@DIGEST]",
		}
	}
	name, target, ok := strings.Cut(value, "=")
	if !ok {
		return fail("is not NAME=VALUE")
	}
	if target == "" {
		return fail("the value after = is empty")
	}
	name, err := ContextName(name)
	if err != nil {
		return fail("the name is not valid: " + err.Error())
	}
	return BuildContext{Name: name, Value: target}, nil
}

// ContextName is the name of a named context as BuildKit spells it.
func ContextName(name string) (string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(reference.FamiliarString(named), ":latest"), nil
}

// hostGateway stands for the address of the machine that runs the builder.
// Only docker's own drivers know such an address.
const hostGateway = "host-gateway"

// ParseAddHost parses one value of --add-host, host:ip or host=ip, several
// separated by commas; an IPv6 address may stand in brackets, and a quoted
// field may list several addresses. It returns host=ip for each. The error is
// a *fault.Usage.
func ParseAddHost(value string) ([]string, error) {
	fail := func(problem, hint string) error {
		return &fault.Usage{Flag: "--add-host", Value: value, Problem: problem, Hint: hint}
	}
	if value == "" {
		return nil, fail("is empty", "")
	}
	fields, err := csvvalue.Fields(value, nil)
	if err != nil {
		return nil, fail(fmt.Sprintf("is not valid CSV: %s", err), "")
	}
	var hosts []string
	for _, field := range fields {
		host, addresses, ok := strings.Cut(field, "=")
		if !ok {
			host, addresses, ok = strings.Cut(field, ":")
		}
		if !ok || host == "" || addresses == "" {
			return nil, fail("is not HOST:IP", "")
		}
		if strings.ContainsAny(host, ",\"\n") {
			return nil, fail(fmt.Sprintf("%q is not a host name", host), "")
		}
		if addresses == hostGateway {
			return nil, fail("host-gateway has no meaning for a builder in Kubernetes", "give the address itself, HOST:IP")
		}
		for address := range strings.SplitSeq(addresses, ",") {
			if inner, ok := strings.CutPrefix(address, "["); ok {
				address = strings.TrimSuffix(inner, "]")
			}
			if net.ParseIP(address) == nil {
				return nil, fail(fmt.Sprintf("%q is not an IP address", address), "")
			}
			hosts = append(hosts, host+"="+address)
		}
	}
	return hosts, nil
}

// The values of --network; the zero value is NetworkDefault.
const (
	NetworkDefault = "default"
	NetworkHost    = "host"
	NetworkNone    = "none"
)

// ParseNetwork checks the mode of --network. The error is a *fault.Usage.
func ParseNetwork(value string) (string, error) {
	switch value {
	case "", NetworkDefault:
		return NetworkDefault, nil
	case NetworkHost, NetworkNone:
		return value, nil
	}
	return "", &fault.Usage{
		Flag: "--network", Value: value,
		Problem: "BuildKit has no such network mode",
		Hint:    fmt.Sprintf("use %s, %s or %s", NetworkDefault, NetworkHost, NetworkNone),
	}
}

// ParseShmSize parses a size with an optional unit (64m, 1g; b, k, m, g with
// powers of 1024) and returns bytes. The error is a *fault.Usage.
func ParseShmSize(value string) (int64, error) {
	size, err := units.RAMInBytes(value)
	if err != nil {
		return 0, &fault.Usage{Flag: "--shm-size", Value: value, Problem: "is not a size", Hint: "the form is a number with b, k, m or g, for example 64m"}
	}
	return size, nil
}

// ParseUlimit parses name=soft[:hard] and returns it in full, name=soft:hard.
// The error is a *fault.Usage.
func ParseUlimit(value string) (string, error) {
	limit, err := units.ParseUlimit(value)
	if err != nil {
		return "", &fault.Usage{Flag: "--ulimit", Value: value, Problem: err.Error(), Hint: "the form is NAME=SOFT[:HARD], for example nofile=1024:2048"}
	}
	return limit.String(), nil
}

// allowLocalDelete is the entitlement that buildx checks itself: a local
// output with mode=delete may empty a directory outside the working directory.
const allowLocalDelete = output.EntitlementLocalDelete

// ParseAllow checks an entitlement of --allow: network.host,
// security.insecure, device[=NAME] or buildx.local.delete. The error is a
// *fault.Usage.
func ParseAllow(value string) (string, error) {
	if value == allowLocalDelete {
		return value, nil
	}
	if _, _, err := entitlements.Parse(value); err != nil {
		return "", &fault.Usage{
			Flag: "--allow", Value: value, Problem: err.Error(),
			Hint: "there are network.host, security.insecure, device[=NAME] and " + allowLocalDelete,
		}
	}
	return value, nil
}
