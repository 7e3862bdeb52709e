package bounce

import (
	"regexp"
	"strings"
	"time"
)

// A Reason is why a message came back, by the name that Sisimai gives it (https://libsisimai.org/en/reason/).
type Reason string

// The reasons.
const (
	UserUnknown     Reason = "userunknown"     // there is no such mailbox
	HostUnknown     Reason = "hostunknown"     // there is no such domain
	HasMoved        Reason = "hasmoved"        // the mailbox is another now
	NotAccept       Reason = "notaccept"       // the domain takes no mail
	Suspend         Reason = "suspend"         // the mailbox is closed, for a time or for good
	MailboxFull     Reason = "mailboxfull"     // no room in the mailbox
	Filtered        Reason = "filtered"        // the person's own settings refuse it
	SpamDetected    Reason = "spamdetected"    // taken for spam
	VirusDetected   Reason = "virusdetected"   // taken for a virus
	PolicyViolation Reason = "policyviolation" // against the receiver's rules: authentication, DMARC
	Blocked         Reason = "blocked"         // the sending address, its name or its reputation is refused
	Rejected        Reason = "rejected"        // the sender is refused
	SecurityError   Reason = "securityerror"
	NoRelaying      Reason = "norelaying"
	ContentError    Reason = "contenterror" // what is in the message is refused
	SyntaxError     Reason = "syntaxerror"
	MesgTooBig      Reason = "mesgtoobig"
	ExceedLimit     Reason = "exceedlimit"
	TooManyConn     Reason = "toomanyconn" // too much at once
	Expired         Reason = "expired"     // tried for as long as was to be
	NetworkError    Reason = "networkerror"
	SystemError     Reason = "systemerror"
	SystemFull      Reason = "systemfull"
	MailerError     Reason = "mailererror"
	OnHold          Reason = "onhold"    // something was said, and is not understood
	Undefined       Reason = "undefined" // nothing was said
	Delivered       Reason = "delivered"
	Vacation        Reason = "vacation" // an answer by itself: somebody is away
	Feedback        Reason = "feedback" // somebody said that it is spam
)

// A worth is what follows from a reason.
type worth struct {
	// refusal says that the receiver's rules, and no fault of the address, are in the way: the person is not at fault, and is never
	// suppressed.
	refusal bool
	// suppress is for how long the address is not written to again in the case; 0 suppresses nothing.
	suppress time.Duration
	// soft says that the same message to the same address may arrive another time, whatever the status says.
	soft bool
}

const day = 24 * time.Hour

// worths are of all reasons. Only what is wrong with the address itself suppresses, and for a time: mailboxes come back, domains are
// renewed. What a person's own filter refuses may be allowed tomorrow, and is told by other ways until then.
var worths = map[Reason]worth{
	UserUnknown: {suppress: 365 * day}, HasMoved: {suppress: 365 * day}, HostUnknown: {suppress: 30 * day}, NotAccept: {suppress: 30 * day},
	Suspend: {suppress: 30 * day}, MailboxFull: {suppress: 7 * day, soft: true}, Filtered: {},
	SpamDetected: {refusal: true}, VirusDetected: {refusal: true}, PolicyViolation: {refusal: true}, Blocked: {refusal: true}, Rejected: {refusal: true},
	SecurityError: {refusal: true}, NoRelaying: {refusal: true}, ContentError: {refusal: true}, SyntaxError: {}, MesgTooBig: {refusal: true}, ExceedLimit: {refusal: true},
	TooManyConn: {refusal: true, soft: true}, Expired: {soft: true}, NetworkError: {soft: true}, SystemError: {soft: true}, SystemFull: {soft: true}, MailerError: {soft: true},
	OnHold: {}, Undefined: {}, Delivered: {}, Vacation: {}, Feedback: {},
}

// Known reports whether r is one of the reasons.
func (r Reason) Known() bool { _, ok := worths[r]; return ok }

// Refusal reports whether the receiver's rules are the reason, and not the address: such a reason never suppresses anybody.
func (r Reason) Refusal() bool { return worths[r].refusal }

// Suppresses gives for how long an address is not written to again after a permanent failure for this reason; 0: it goes on.
func (r Reason) Suppresses() time.Duration { return worths[r].suppress }

// rule is a reason and the texts that say so.
type rule struct {
	reason Reason
	text   *regexp.Regexp
}

func says(r Reason, texts ...string) rule {
	return rule{r, regexp.MustCompile(strings.Join(texts, "|"))}
}

// rules are tried in this order on what a server said, in lower case and with single spaces. The order matters: a text about a full
// mailbox may go on about a user who was not found, and one about spam may begin with "user unknown".
var rules = []rule{
	says(VirusDetected, `\bvirus\b.*(found|detected|infected)`, `infected (with|message)`, `contains? (a )?(virus|malware)`, `malware detected`, `ウイルス.*検出`),
	says(MailboxFull, `over ?quota`, `quota (was |is |has been )?(exceed|full|usage exceeded)`, `exceed\w* (its |the |their |his |her )?(storage|mailbox|mail|disk)? ?(quota|storage|allocation|space)`,
		`(mailbox|mail box|inbox|mail folder|mailfolder)('s)? (is |are |was )?(too )?full`, `full mailbox`, `out of storage space`, `not enough (storage )?space in`, `too much mail data`, `insufficient (mailbox )?space`, `storequota`,
		`does not have enough space`, `メールボックス.*(一杯|いっぱい|満杯|超え)`, `容量.*(超|オーバー|不足)`),
	says(SystemFull, `insufficient system (storage|resources)`, `no space left on device`, `not enough free space`, `insufficient disk space`, `mail system full`),
	says(MesgTooBig, `(message|mail|messagesize|size).*(too (big|large)|exceeds? (the )?(fixed )?(maximum|max|limit|server limit|administrative limit))`, `message size limit`, `too (big|large) (a )?message`, `exceeds size limit`, `サイズ.*(超|大き)`),
	says(TooManyConn, `too many (connections|concurrent|sessions|recipients|messages)`, `(rate|sending|hourly|connection) limit`, `rate.?limited`, `throttl`, `unusual rate`, `receiving mail at a rate`, `connection (rate )?limit`, `too quickly`),
	says(PolicyViolation, `\bdmarc\b`, `\bdkim\b.*(fail|invalid|did not|not pass|unauth)`, `\bspf\b.*(fail|softfail|did not|not pass|not designated|unauth)`, `unauthenticated (e-?mail|mail|sender)`, `not (been )?authenticated`, `authentication (check|checks|results?) ?(failed|did not)`,
		`policy (violation|reasons|restriction|rejection|does not allow)`, `(violates?|against|due to|by|for|because of)( \w+){0,4} polic(y|ies)`, `rejected (by|for) .*polic`, `なりすまし`),
	says(SpamDetected, `\bspam\b`, `\bspammy\b`, `unsolicited`, `junk ?mail`, `bulk (e-?)?mail`, `suspicious (due|message|content)`, `high probability of`, `phishing`, `(message|content|mail) (was |has been |is )?(rejected|blocked|refused).*(content|filter|reputation of)`, `迷惑メール`),
	says(Blocked, `(block|black|deny|reject|dns.*b)[ -]?list`, `\brbl\b`, `\bdnsbl\b`, `spamhaus`, `spamcop`, `barracudacentral`, `reputation`, `(ip|host|client|server|sender).*(blocked|banned|denied access)`, `blocked (using|by|for|from)`, `reverse (dns|lookup|hostname)`, `\bptr\b (record|resource)`, `cannot find your (reverse )?hostname`,
		`client host.*rejected`, `connection (refused|rejected) .*(from|due)`, `helo command rejected`, `access denied.*(banned sender|ip)`),
	says(Filtered, `(refused|rejected|blocked) (due to |by |because of )?(the )?(recipient|user)('?s?)? ?(own )?(preference|rule|setting|filter|option)`, `refuses? to (accept|receive) your`, `only accept(s|ing)? mail from`, `notauthorized`, `restricts? (who|permission)`, `blocked by the recipient`, `recipient (does not want|has restricted|denied)`, `not (allowed|permitted|authorized) to send (e-?mail |mail |messages? )?to (this|the|that) (recipient|user|group|mailbox)`,
		`受信拒否`, `受信制限`, `ドメイン指定`),
	says(Rejected, `sender (address )?(rejected|denied|verify failed)`, `sender was rejected`, `(sender|from) (address |domain )?(is )?(not|un)(valid| valid|allowed| allowed|acceptable)`, `invalid sender`, `domain of sender address`, `mail from .*(rejected|refused|denied)`, `not accept(ed)? (mail )?from`),
	says(NoRelaying, `relay(ing)? (access )?(denied|not (allowed|permitted)|prohibited)`, `not permitted to relay`, `unable to relay`, `we do not relay`, `relay not permitted`, `insecure mail relay`, `smtp relay error`),
	says(SecurityError, `authentication (required|failure|failed)`, `must issue a starttls`, `starttls (is )?required`, `(encryption|tls) (is )?(required|needed)`, `certificate (verify|verification) failed`, `authrequired`),
	says(HasMoved, `(user|recipient|mailbox|address|account|person) (has |is )?(moved|no longer at|changed)`, `has been replaced by`, `new (e-?mail )?address is`, `user not local; please try`, `アドレス.*変更`),
	says(NotAccept, `does not accept (any )?(e-?)?mail`, `null mx`, `no ?mx service`, `(domain|host) .*(does not|never|not) (accept|receive)s?`, `smtp service not available on`, `no smtp service`, `not accepting (mail|messages) on this`),
	says(Suspend, `(account|mailbox|user|address|recipient)(\(s\))?('s)? ?(account |mailbox )?(that you tried to reach )?(is |are |has been |have been |was |currently |temporarily |suspended|administratively )*(disabled|suspended|inactive|deactivated|locked|limited|frozen|closed|discontinued|blocked)`, `recipient suspend`, `temporary locked`, `inactive user`, `acct\w* disabled`, `停止中`, `利用停止`, `休止`),
	says(HostUnknown, `(host|domain|domain name)( \S+)? (or domain name )?(was |is |could |can )?(not |un)(be )?(found|known|resolved|exist|reachable)`, `(host|domain) (name )?(\S+ )?(does not|doesn'?t) exist`, `remote domain does ?n[o']?t? exist`, `(no such|unknown) (host|domain)`, `name or service not known`, `all host address lookups failed`, `all relevant mx records point to non-existent`, `couldn'?t find any host`, `nonexistentdomain`, `unrout(e)?able (mail )?(address|domain)`, `domain .*(nxdomain|not found|no answer)`, `\bnxdomain\b`, `dns error`, `no mx or a records`, `ドメイン.*(存在|見つか)`),
	says(UserUnknown, `(user|recipient|mailbox|account|addressee?|address|name|rcpt|person|login)( address)?( rejected)?:? ?(\S+@?\S* )?(is |are |was |were |could |can )?(not |un|non-?)(be )?(found|known|exist|listed|valid|available|registered|recognized|present|local)`,
		`(unknown|no such|invalid|non-?existent|bad|undefined|unregistered|nonexistent)( local)?[- ](user|recipient|mailbox|account|addressee?|address|person|destination|rcpt)`, `(does not|doesn'?t|did not|do not) exist`, `no (mailbox|account|such)( \w+)? (here|by that name|available|found|for this)`, `recip(ient)?notfound`, `recipientnotfound`, `not a (known|valid|local) (user|recipient|mailbox|address)`, `no longer (valid|exists?|available|in use)`, `(user|recipient|mailbox) unavailable`,
		`mailbox unavailable`, `does not like recipient`, `couldn'?t be (found|delivered) at`, `wasn'?t found at`, `(not |no )(user|mailbox) (by|with) that name`, `cannot be found\b`, `no one at this address`, `宛先.*(見つか|存在|不明|ありません|誤)`, `(ユーザ|ユーザー|アドレス|受信者|あて先).*(見つか|存在し|不明|ありません)`),
	says(ContentError, `(content|attachment|mime|8bit|header|body).*(not (allowed|accepted|permitted|supported)|rejected|error|invalid)`, `bare (lf|cr)`, `improper use of 8-bit`, `line too long`, `conversion .*failed`),
	says(NetworkError, `connection (timed out|refused|reset|lost|dropped)`, `timed? ?out`, `no route to host`, `network (is )?unreachable`, `(mail|routing) loop`, `mail forwarding loop`, `loops? back to myself`, `too many hops`, `hop count`, `wasn'?t able to establish an smtp connection`, `could not connect`, `unable to connect`, `couldn'?t connect`, `lost connection`, `mxloopback`, `tls handshake`),
	says(Expired, `(delivery|retry) (time ?out|time.*expired|period)`, `queue too long`, `(in|on) the queue (for )?too long`, `retry time(out exceeded| not reached)`, `not delivered within`, `could not be delivered (for|within|after)`, `giving up`, `message expired`, `expired`, `undeliverable after`, `(was|been) tr(ied|ying) .*(hours|days)`, `delayed`, `期限`, `時間内に`),
	says(SyntaxError, `syntax error`, `(command|argument|parameter).*(not recognized|unrecognized|syntax|not implemented)`, `malformed address`),
	says(SystemError, `(local|internal|server|system|configuration|service|temporary)( \w+)? (error|failure|problem|misconfigur\w*)`, `(service|server)( is)?( currently| temporarily)? (unavailable|not available)`, `try (again )?later`, `greylist`, `resources temporarily unavailable`, `out of memory`),
	says(MailerError, `exit status`, `command died`, `x-unix;`, `(pipe|program|mailer).*(failed|error|returned|exit)`, `procmail`),
	says(ExceedLimit, `exceed`),
}

// byStatus are reasons by enhanced status code (RFC 3463; RFC 7505; RFC 7372), without the class.
var byStatus = map[string]Reason{
	"1.1": UserUnknown, "1.2": HostUnknown, "1.3": UserUnknown, "1.4": UserUnknown, "1.6": HasMoved, "1.7": Rejected, "1.8": Rejected, "1.9": SystemError, "1.10": NotAccept,
	"2.1": Suspend, "2.2": MailboxFull, "2.3": ExceedLimit, "2.4": Filtered,
	"3.1": SystemFull, "3.2": NotAccept, "3.3": SystemError, "3.4": MesgTooBig, "3.5": SystemError,
	"4.1": Expired, "4.2": NetworkError, "4.3": SystemError, "4.4": HostUnknown, "4.5": TooManyConn, "4.6": NetworkError, "4.7": Expired, "4.14": NetworkError,
	"5.0": MailerError, "5.1": MailerError, "5.2": SyntaxError, "5.3": TooManyConn, "5.4": SyntaxError, "5.5": MailerError,
	"6.0": ContentError, "6.1": ContentError, "6.2": ContentError, "6.3": ContentError, "6.5": ContentError, "6.6": ContentError, "6.7": SyntaxError,
	"7.0": SecurityError, "7.1": SecurityError, "7.2": Filtered, "7.3": SecurityError, "7.4": SecurityError, "7.5": SecurityError, "7.8": SecurityError, "7.17": UserUnknown,
	"7.20": PolicyViolation, "7.21": PolicyViolation, "7.22": PolicyViolation, "7.23": PolicyViolation, "7.24": PolicyViolation, "7.25": Blocked, "7.26": PolicyViolation,
}

// strong are statuses that say more than most texts beside them do.
var strong = map[string]Reason{"2.2": MailboxFull, "1.6": HasMoved, "7.25": Blocked, "7.26": PolicyViolation, "7.23": PolicyViolation, "7.20": PolicyViolation}

var spaces = regexp.MustCompile(`\s+`)

// reasonOf says why, by what a server said and by its status; by the first of them that says so.
func reasonOf(said, status string) Reason {
	_, detail, _ := strings.Cut(status, ".")
	if r, ok := strong[detail]; ok {
		return r
	}
	text := strings.ToLower(spaces.ReplaceAllString(said, " "))
	for _, rule := range rules {
		if rule.text.MatchString(text) {
			return rule.reason
		}
	}
	if r, ok := byStatus[detail]; ok {
		return r
	}
	if strings.TrimSpace(text) != "" {
		return OnHold
	}
	return Undefined
}
