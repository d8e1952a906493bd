package configmap

import (
	"fmt"

	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/slipway-build/slipway/internal/ociplatform"
)

// platformFields are the keys of a platform object, as the OCI image
// specification has them.
func platformFields() []field[ocispecs.Platform] {
	text := map[string]any{"type": "string"}
	return []field[ocispecs.Platform]{
		{
			name: "architecture", form: "string", doc: "Such as `amd64` or `arm64`.", schema: text,
			read: func(p *ocispecs.Platform, v any, r report) { _ = readString(&p.Architecture, v, r) },
		},
		{
			name: "os", form: "string", doc: "Such as `linux`.", schema: text,
			read: func(p *ocispecs.Platform, v any, r report) { _ = readString(&p.OS, v, r) },
		},
		{
			name: "variant", form: "string", doc: "Such as `v7` of `arm`.", schema: text,
			read: func(p *ocispecs.Platform, v any, r report) { _ = readString(&p.Variant, v, r) },
		},
		{
			name: "os.version", form: "string", doc: "The version of Windows.", schema: text,
			read: func(p *ocispecs.Platform, v any, r report) { _ = readString(&p.OSVersion, v, r) },
		},
		{
			name: "os.features", form: "list of strings", doc: "Features of Windows.", schema: map[string]any{"type": "array", "items": text},
			read: func(p *ocispecs.Platform, v any, r report) {
				readList(v, r, func(_ int, element any, r report) {
					var feature string
					if readString(&feature, element, r) {
						p.OSFeatures = append(p.OSFeatures, feature)
					}
				})
			},
		},
	}
}

// readPlatforms reads the platforms a node claims, each once.
func readPlatforms(n *rawNode, value any, r report) {
	seen := make(map[string]bool)
	readList(value, r, func(_ int, element any, r report) {
		platform, ok := readPlatform(element, r.hinting("platforms are like linux/amd64, linux/arm64 or linux/arm/v7"))
		if key := platforms.FormatAll(platform); ok && !seen[key] {
			seen[key] = true
			n.platforms = append(n.platforms, platform)
		}
	})
}

func readPlatform(value any, r report) (ocispecs.Platform, bool) {
	// A guess at what was meant is a better hint than the form.
	hinted := func(hint string) report {
		if hint == "" {
			return r
		}
		return r.hinting("%s", hint)
	}
	if text, ok := value.(string); ok {
		p, problem, hint := ociplatform.Parse(text)
		switch {
		case problem == "":
			return p, true
		case p.OS == "": // it is none at all
			problem = fmt.Sprintf("%q is not a platform", text)
		}
		hinted(hint).bad("%s", problem)
		return p, false
	}
	var p ocispecs.Platform
	before := len(r.found.problems)
	readObject(platformFields(), &p, value, r)
	if len(r.found.problems) > before {
		return p, false
	}
	switch {
	case p.OS == "":
		r.bad("the platform has no os")
	case p.Architecture == "":
		r.bad("the platform has no architecture")
	default:
		p = platforms.Normalize(p)
		problem, hint := ociplatform.Check(p)
		if problem == "" {
			return p, true
		}
		hinted(hint).bad("%s", problem)
	}
	return p, false
}
