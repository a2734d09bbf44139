package sandbox

import (
	"fmt"
	"os"
)

// envEntrance tells the tests how the sandbox is entered from outside.
const envEntrance = "NETRIG_ENTRANCE"

// entrance is how a program of the machine gets into the sandbox: by the
// namespaces of its first process. That can't know its own number there, since
// it is 1 to itself.
type entrance struct {
	pid  int  // of the first process, as the outside has it
	user bool // there is a user namespace to be entered too
}

func (e entrance) String() string { return fmt.Sprintf("%d,%t", e.pid, e.user) }

// Entrance is the process, by the number that it has outside of the sandbox,
// whose namespaces are the sandbox's, for nsenter(1); and whether there is a
// user namespace among them. It is not known (ok is false) to tests that run in
// place.
func Entrance() (pid int, user, ok bool) {
	if os.Getenv(envSandbox) == inPlace {
		return 0, false, false
	}
	_, err := fmt.Sscanf(os.Getenv(envEntrance), "%d,%t", &pid, &user)
	return pid, user, err == nil && pid > 0
}
