package dockercli

// imageCommands are those of images, which no engine keeps here.
var imageCommands = []Command{
	{Name: "push", Also: []string{"image push"}, Args: "NAME[:TAG]", Min: 1, Max: 1, Answer: Refused, Says: "is not there yet", Instead: "docker build --push pushes what it has built"},
	{Name: "tag", Also: []string{"image tag"}, Args: "SOURCE TARGET", Min: 2, Max: 2, Answer: Refused, Says: "is not there yet", Instead: "docker build --tag takes several names"},
	{Name: "pull", Also: []string{"image pull"}, Args: "NAME", Min: 1, Max: 1, Answer: Refused, Says: "is not there yet"},
	{Name: "images", Also: []string{"image ls", "image list"}, Args: "[REPOSITORY[:TAG]]", Max: 1, Answer: Refused, Says: "is not there yet"},
	{Name: "inspect", Args: "NAME|ID…", Min: 1, Max: -1, Answer: Refused, Says: "is not there yet"},
	{Name: "image inspect", Args: "IMAGE…", Min: 1, Max: -1, Answer: Refused, Says: "is not there yet"},
	{Name: "history", Also: []string{"image history"}, Args: "IMAGE", Min: 1, Max: 1, Answer: Refused, Says: "is not there yet"},
	{Name: "save", Also: []string{"image save"}, Args: "IMAGE…", Min: 1, Max: -1, Answer: Refused, Says: "is not there yet"},
	{Name: "load", Also: []string{"image load"}, Max: 0, Answer: Refused, Says: "is not there yet"},
	{Name: "rmi", Also: []string{"image rm", "image remove"}, Args: "IMAGE…", Min: 1, Max: -1, Answer: Refused, Says: "is not there yet"},
	{Name: "image prune", Max: 0, Answer: Refused, Says: "is not there yet"},
	{Name: "manifest create", Args: "LIST MANIFEST…", Min: 2, Max: -1, Answer: Refused, Says: "is not there yet"},
	{Name: "manifest annotate", Args: "LIST MANIFEST", Min: 2, Max: 2, Answer: Refused, Says: "is not there yet"},
	{Name: "manifest push", Args: "LIST", Min: 1, Max: 1, Answer: Refused, Says: "is not there yet"},
	{Name: "manifest inspect", Args: "[LIST] MANIFEST", Min: 1, Max: 2, Answer: Refused, Says: "is not there yet"},
	{Name: "manifest rm", Args: "LIST…", Min: 1, Max: -1, Answer: Refused, Says: "is not there yet"},
}
