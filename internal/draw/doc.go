// Package draw writes pictures as SVG 1.1 text: boxes, lines and text that can be
// selected, in one style for light and dark (prefers-color-scheme). A picture
// holds no scripts, links or fonts from elsewhere, and no identifiers, so that
// several can stand in one HTML page.
package draw
