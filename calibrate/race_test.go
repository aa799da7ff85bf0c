//go:build race

package calibrate

// raceDetector slows the arithmetic of calibration about ten times.
const raceDetector = true
