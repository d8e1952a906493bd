package configmap

import (
	"github.com/containerd/platforms"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
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
	var platform ocispecs.Platform
	if text, ok := value.(string); ok {
		var err error
		if platform, err = platforms.Parse(text); err != nil {
			r.bad("%q is not a platform", text)
			return platform, false
		}
	} else {
		before := len(r.found.problems)
		readObject(platformFields(), &platform, value, r)
		if len(r.found.problems) > before {
			return platform, false
		}
	}
	switch {
	case platform.OS == "":
		r.bad("the platform has no os")
	case platform.Architecture == "":
		r.bad("the platform has no architecture")
	case !known(platform.OS) && platform.OS != "wasi": // BuildKit builds wasi/wasm
		r.bad("%q is not a known operating system", platform.OS)
	case !known(platform.Architecture):
		r.bad("%q is not a known architecture", platform.Architecture)
	default:
		return platforms.Normalize(platform), true
	}
	return platform, false
}

// known asks for a word alone, which containerd accepts only when it has it in
// its lists.
func known(word string) bool {
	_, err := platforms.Parse(word)
	return err == nil
}
