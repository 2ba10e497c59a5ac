package httpd

import (
	"fmt"
	"net/http"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
)

// maxProfile bounds one profile.
const maxProfile = 2 * time.Minute

// profile answers with a CPU profile of ?seconds=N (30 when absent). A CPU profile
// names functions and lines, never data; heap profiles are not offered.
func profile(c *gin.Context) {
	seconds, err := strconv.Atoi(c.DefaultQuery("seconds", "30"))
	if d := time.Duration(seconds) * time.Second; err != nil || d <= 0 || d > maxProfile {
		writeText(c.Writer, http.StatusBadRequest, fmt.Sprintf("seconds must be a number from 1 to %.0f\n", maxProfile.Seconds()))
		return
	}
	c.Header("Content-Type", "application/octet-stream")
	if err := pprof.StartCPUProfile(c.Writer); err != nil {
		writeText(c.Writer, http.StatusConflict, "another profile is being taken; try again when it has ended\n")
		return
	}
	defer pprof.StopCPUProfile()
	select {
	case <-time.After(time.Duration(seconds) * time.Second):
	case <-c.Request.Context().Done():
	}
}
