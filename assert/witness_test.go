package assert

import (
	"testing"

	testify "github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

// The answer is known by its type, identifier and number; what is cut anywhere before
// their end is none.
func TestAnswers(t *testing.T) {
	header := make([]byte, 24) // with an option
	header[0] = 0x46
	reply := []byte{0, 0, 0, 0, 0x12, 0x34, 0, 7}
	v4 := append(header, reply...)
	v6 := append([]byte{129}, reply[1:]...)
	testify.True(t, answers(v4, unix.AF_INET, 0x1234, 7))
	testify.True(t, answers(v6, unix.AF_INET6, 0x1234, 7))
	testify.False(t, answers(v4, unix.AF_INET, 0x1234, 8))
	testify.False(t, answers(v6, unix.AF_INET6, 0x1235, 7))
	testify.False(t, answers(append([]byte{128}, reply[1:]...), unix.AF_INET6, 0x1234, 7), "the request")
	for cut := range v4 {
		testify.False(t, answers(v4[:cut], unix.AF_INET, 0x1234, 7), "%d bytes", cut)
	}
	for cut := range v6 {
		testify.False(t, answers(v6[:cut], unix.AF_INET6, 0x1234, 7), "%d bytes", cut)
	}
	testify.True(t, (&witness{}).saw(1, 1), "without a socket nothing is known")
}
