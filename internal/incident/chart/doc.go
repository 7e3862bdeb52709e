// Package chart draws what is known of incidents: a timeline of one, distributions, years and checklists of many. It
// is pure: data in, an SVG and the table behind it out.
//
// Every drawing is made twice, for a desk and for a telephone, because text in a drawing does not wrap; the stylesheet
// shows one (and on paper always the broad one). Colours and sizes of type are classes of the stylesheet, so that dark
// mode and print work and a strict Content-Security-Policy holds; what a class means for the layout (the height of its
// type) is in text.go. Each drawing is one image with a name and a description (role="img" with title and desc), and
// says nothing that its table does not say.
package chart
