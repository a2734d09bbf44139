package testflag

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWithoutLog(t *testing.T) {
	assert.Equal(t,
		[]string{"-test.run", "x", "-test.testlogfiles=a", "-test.v", "--", "-test.testlogfile=c"},
		WithoutLog([]string{"-test.testlogfile=a", "-test.run", "x", "-test.testlogfiles=a", "--test.testlogfile=/b", "-test.v", "--", "-test.testlogfile=c"}))
	assert.Equal(t, []string{"-test.v", "--", "-test.testlogfile=mine"}, WithoutLog([]string{"-test.testlogfile=x", "-test.v", "--", "-test.testlogfile=mine"}))
}
