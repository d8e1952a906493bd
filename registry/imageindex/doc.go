// Package imageindex knows the manifests and indexes of images: it combines
// them into one index, filters and annotates that, and reads content with a
// limit. It asks no registry.
package imageindex
