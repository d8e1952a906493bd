package dockercli

// imageCommands are those of images. No engine keeps them: the layers stay on the builders
// that have made them, and the job remembers the rest.
var imageCommands = []Command{
	{Name: "push", Also: []string{"image push"}, Args: "NAME[:TAG]", Min: 1, Max: 1, Says: "makes the builders push what this job has built, or tags what a registry has", Flags: []Flag{
		{Name: "all-tags", Short: "a"},
		{Name: "disable-content-trust", Says: "has no effect"},
		{Name: "platform", Value: "PLATFORM"},
		{Name: "quiet", Short: "q"},
	}},
	{Name: "tag", Also: []string{"image tag"}, Args: "SOURCE TARGET", Min: 2, Max: 2, Says: "gives an image of this job another name"},
	{Name: "pull", Also: []string{"image pull"}, Args: "NAME[:TAG|@DIGEST]", Min: 1, Max: 1, Says: "finds the image in its registry and remembers it; nothing is downloaded", Flags: []Flag{
		{Name: "all-tags", Short: "a", Answer: Refused, Says: "is not supported: pull each tag by its name"},
		{Name: "disable-content-trust", Says: "has no effect"},
		{Name: "platform", Value: "PLATFORM", Says: "says which image of several docker inspect shows"},
		{Name: "quiet", Short: "q"},
	}},
	{Name: "images", Also: []string{"image ls", "image list"}, Args: "[REPOSITORY[:TAG]]", Max: 1, Says: "lists the images of this job; sizes are those of compressed layers", Flags: []Flag{
		{Name: "all", Short: "a", Says: "has no effect: there are no intermediate images"},
		{Name: "digests"},
		{Name: "filter", Short: "f", Value: "FILTER", Says: "takes reference, dangling, label, before and since"},
		{Name: "format", Value: "FORMAT"},
		{Name: "no-trunc"},
		{Name: "quiet", Short: "q"},
		{Name: "tree", Answer: Refused, Says: "is not supported"},
	}},
	{Name: "inspect", Args: "NAME|ID…", Min: 1, Max: -1, Says: "shows images of this job; there are no other objects", Flags: []Flag{
		{Name: "format", Short: "f", Value: "FORMAT"},
		{Name: "size", Short: "s", Says: "has no effect"},
		{Name: "type", Value: "TYPE", Says: "is image, or nothing is found"},
	}},
	{Name: "image inspect", Args: "IMAGE…", Min: 1, Max: -1, Says: "shows images of this job", Flags: []Flag{
		{Name: "format", Short: "f", Value: "FORMAT"},
		{Name: "platform", Value: "PLATFORM", Says: "says which image of several is shown"},
	}},
	{Name: "history", Also: []string{"image history"}, Args: "IMAGE", Min: 1, Max: 1, Says: "shows the steps of an image of this job", Flags: []Flag{
		{Name: "format", Value: "FORMAT"},
		{Name: "human", Short: "H"},
		{Name: "no-trunc"},
		{Name: "platform", Value: "PLATFORM", Says: "says which image of several is shown"},
		{Name: "quiet", Short: "q"},
	}},
	{Name: "save", Also: []string{"image save"}, Args: "IMAGE…", Min: 1, Max: -1, Says: "gets the image from its builders as an archive; all names must mean one image", Flags: []Flag{
		{Name: "output", Short: "o", Value: "FILE"},
		{Name: "platform", Value: "PLATFORM"},
	}},
	{Name: "load", Also: []string{"image load"}, Args: "[--input FILE]", Max: 0, Answer: Refused, Says: "there is no engine to load an image into, and builders take none",
		Instead: "push an archive with docker buildx imagetools create --tag NAME oci-layout://DIR once it is unpacked, or build with docker build --push and pull by name"},
	{Name: "rmi", Also: []string{"image rm", "image remove"}, Args: "IMAGE…", Min: 1, Max: -1, Says: "forgets names and images of this job; registries and builders keep theirs", Flags: []Flag{
		{Name: "force", Short: "f", Says: "has no effect"},
		{Name: "no-prune", Says: "has no effect"},
		{Name: "platform", Value: "PLATFORM", Answer: Refused, Says: "is not supported: an image is forgotten as a whole"},
	}},
	{Name: "image prune", Max: 0, Says: "forgets images of this job without a name; it asks nothing", Flags: []Flag{
		{Name: "all", Short: "a", Says: "forgets those with names, too"},
		{Name: "filter", Value: "FILTER", Answer: Refused, Says: "is not supported"},
		{Name: "force", Short: "f", Says: "has no effect"},
	}},
	{Name: "manifest create", Args: "LIST MANIFEST…", Min: 2, Max: -1, Says: "begins a list of images in registries", Flags: []Flag{
		{Name: "amend", Short: "a"},
		{Name: "insecure", Says: "has no effect: how a registry is reached is in the builder's definition"},
	}},
	{Name: "manifest annotate", Args: "LIST MANIFEST", Min: 2, Max: 2, Says: "changes the platform of an image of a list", Flags: []Flag{
		{Name: "arch", Value: "ARCH"},
		{Name: "os", Value: "OS"},
		{Name: "os-features", Value: "FEATURE"},
		{Name: "os-version", Value: "VERSION"},
		{Name: "variant", Value: "VARIANT"},
	}},
	{Name: "manifest push", Args: "LIST", Min: 1, Max: 1, Says: "pushes a list and the images that it refers to", Flags: []Flag{
		{Name: "insecure", Says: "has no effect: how a registry is reached is in the builder's definition"},
		{Name: "purge", Short: "p"},
	}},
	{Name: "manifest inspect", Args: "[LIST] MANIFEST", Min: 1, Max: 2, Says: "prints a list, or what a registry has", Flags: []Flag{
		{Name: "insecure", Says: "has no effect: how a registry is reached is in the builder's definition"},
		{Name: "verbose", Short: "v"},
	}},
	{Name: "manifest rm", Args: "LIST…", Min: 1, Max: -1, Says: "forgets lists"},
}
