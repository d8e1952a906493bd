// Package imagetools makes an image out of images in registries and shows what
// an image in a registry holds, as docker buildx imagetools create and inspect
// do.
package imagetools
