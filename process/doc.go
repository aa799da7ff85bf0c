// Package process is what every role's process has, whichever role it is: a folder
// with a keyring and an audit record (Parts), and a life from the first listening to
// the last answer (Service). process/rows adds the store that a matcher and a
// custodian have, and process/matcherd, custodiand and dealerd build one role each.
// None of these knows the others, so that no program links another role's code.
package process
