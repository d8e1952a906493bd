// Slipway builds container images on BuildKit in Kubernetes.
package main

func main() {}
