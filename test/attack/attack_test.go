// Package attack plays the attackers that the protocol was designed against, each
// marked [A] in its design, against the real roles. Every one fails to win; and
// every one has a twin, the same system without that one defence, in which it must
// win, or the test shows nothing. Twins are built here, never by a switch in the
// product: a server's store, keyring or peer is bent (stage), a role is started
// again over the same parts, or the few lines concerned are written anew.
//
// Where an attack needs less than whole roles, it is played lower down. By section
// of docs/spec/protocol.md:
//
//	  attack                                    defence                           played in
//	1 operator of a keyring reads templates     one keyring, one role             TestAttackOperatorOfAKeyring
//	2 weights that wrap beyond 32 bits          domain of at most 18 bits         TestAttackWeightsThatWrap
//	4 bundle signed by fewer than everyone      every old key and the offline one crypto/seal TestAttackBundleByFewerThanEveryone
//	4 bundle that a server serves               only the pinned one               TestAttackServedBundle
//	4 one role's key certified by another's     each role's own identity          crypto/seal TestAttackCertificateUnderAnotherRolesIdentity
//	4 accomplice's pad, by the peer's handle    own handle                        TestAttackHandleOfThePeer
//	4 accomplice's row in the victim's session  rows of the request's citizen     TestAttackRowOfAnAccomplice
//	4 two sessions swapped                      q in verdict and answer           TestAttackSwappedVerdict; orders TestAttackSwappedSessions,
//	                                                                              TestAttackAnswerToAnotherRequest
//	4 one request, several sessions             q remembered, one session each    TestAttackRequestReplayed, TestAttackSecondSessionOfARequest
//	4 one jti, two requests                     jti bound to q                    TestAttackJTIReplayed
//	4 attestation of another face               bound to both ciphertexts         orders TestAttackAttestationOfAnotherFace
//	4 enrolment as a probe, and back            kind and place of every seal      TestAttackEnrolmentAsProbe, TestAttackProbeEnrolled,
//	                                                                              TestAttackProbeReplayed; crypto/seal TestAttackProbeAsEnrolment
//	4 signature of one kind as another          kinds in what is signed           orders TestAttackSignatureOfAnotherKind
//	4 enrolment replayed, or held back          once, and in order                TestAttackEnrolmentReplayed, TestAttackEnrolmentWithheld
//	4 two deltas under one salt                 a row is taken once; fresh salts  TestAttackSaltReused
//	4 new row never reported                    the order's time                  TestAttackRowNeverReported
//	4 template kept after its end               salts are deleted                 TestAttackTemplateKept
//	4 unlock held back                          in order                          TestAttackUnlockWithheld; orders TestAttackWithheldUnlock
//	4 lock ignored by one server                each has its own                  TestAttackLockIgnored
//	4 authority that certifies a role           pinned identities, no authority   rpc TestAttackCertificateOfAnAuthority,
//	                                                                              TestAttackCallerOfAnAuthority
//	5 recorded messages, and the root later     root versions are destroyed       TestAttackRecordedMessagesAndRoot;
//	                                                                              dealer TestDestroyedRootOpensNoRecordedComparison
//	5 wrong bit, shifted DCF                    cut and choose                    channel TestSpoiltCorrelationsAreCaught,
//	                                                                              TestCheatsWinWithoutCutAndChoose
//	5 dealer that refuses or varies openings    the parties open to each other    channel TestSingleChecksLetTheDealerWin
//	6 bound outside the domain                  proved when loaded, and checked   TestAttackBoundOutsideTheDomain
//	6 servers with different bounds             preimage of the commitment        TestAttackBoundsDisagree
//	6 sessions in parallel                      debit with the session            TestAttackParallelSessions
//	6 one server does not count                 each counts                       TestAttackCountedByOneServer
//	6 abort when the outcome is known           debit before it is                TestAttackAbortWhenKnown
//	6 verdict by one server                     two signatures by two roles       orders TestAttackOneServerSignsTwice
//
// TestDecoys compares everything that can be seen of a verification for every kind
// of citizen.
package attack_test

import (
	"testing"

	"nod/crypto/seal"
)

// play plays an attacker against Nod, who must lose, and against the twin, who lacks
// one defence: there the attacker must win.
func play(t *testing.T, attack func(t *testing.T, twin bool) (won bool)) {
	t.Helper()
	t.Run("nod", func(t *testing.T) {
		if attack(t, false) {
			t.Error("the attacker wins")
		}
	})
	t.Run("twin", func(t *testing.T) {
		if !attack(t, true) {
			t.Error("the attacker must win where the defence is missing, or the test shows nothing")
		}
	})
}

// playEach plays an attacker who has corrupted one server, each in turn: it does
// without the defence, and the other has its own. The twin has none.
func playEach(t *testing.T, attack func(t *testing.T, without ...seal.Role) (won bool)) {
	t.Helper()
	for _, corrupt := range []seal.Role{seal.Matcher, seal.Custodian} {
		t.Run("corrupt "+string(corrupt), func(t *testing.T) {
			play(t, func(t *testing.T, twin bool) bool {
				if twin {
					return attack(t, seal.Matcher, seal.Custodian)
				}
				return attack(t, corrupt)
			})
		})
	}
}
