// Package dockerimages keeps what docker build has built for the commands that follow it
// in a job: tag, push, save, images, inspect, history, rmi. There is no engine that holds
// the images: their layers stay on the builders that have made them. Kept are their
// manifests and configurations, and where the layers are.
package dockerimages
