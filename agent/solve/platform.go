package solve

import (
	"strings"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/fault"
)

// ParsePlatforms parses the values of --platform, each a list with commas of
// os/arch[/variant], or "local" for the agent's own. They come back
// normalized, in order, each once. The error is a *fault.Usage.
func ParsePlatforms(values []string) ([]ocispecs.Platform, error) {
	var list []ocispecs.Platform
	seen := map[string]bool{}
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			p, err := parsePlatform(strings.TrimSpace(name))
			if err != nil {
				return nil, &fault.Usage{Flag: "--platform", Value: value, Problem: cleanPlatformError(err), Hint: "the form is OS/ARCH[/VARIANT], for example linux/amd64,linux/arm64"}
			}
			if key := platforms.FormatAll(p); !seen[key] {
				seen[key] = true
				list = append(list, p)
			}
		}
	}
	return list, nil
}

func parsePlatform(name string) (ocispecs.Platform, error) {
	if strings.EqualFold(name, "local") {
		return platforms.Normalize(platforms.DefaultSpec()), nil
	}
	p, err := platforms.Parse(name)
	if err != nil {
		return ocispecs.Platform{}, err
	}
	return platforms.Normalize(p), nil
}

// cleanPlatformError drops the class that containerd's errors end with.
func cleanPlatformError(err error) string {
	return strings.TrimSuffix(err.Error(), ": invalid argument")
}
