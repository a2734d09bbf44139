package compare

var knownChanges = []known{}
