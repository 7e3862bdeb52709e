package extract

import (
	"regexp"
	"strings"

	"shirase/internal/incident"
)

// numbersEN is what stands behind the name of a number: "driver's license number or image".
const numbersEN = `(?:\s(?:numbers?|nos?\.?|information|details|data|images?|copies|cards?))?`

// termsEN are tried at each place in this order: what is longer or more special first. What is skipped is named in
// notices besides the data: the mail that came, the bureau, the system.
var termsEN = regexp.MustCompile(`(?i:\b(?:` + strings.Join([]string{
	`(?P<skip>(?:reset|reset all|chang\w+|rotat\w+|revok\w+|expired?|invalidat\w+|disabl\w+) (?:(?:all|the|their|your|of|affected|those) )*(?:[a-z]+ )?(?:passwords?|credentials|tokens|keys)|(?:stolen|compromised|guessed|weak) (?:passwords?|credentials?|log-?in)|(?:wrong|incorrect|old|previous|former) (?:e-?mail )?address(?:es)?|password (?:reset|change|manager|hygiene|protect\w*|policy|spray\w*)|password[- ]protected|(?:chang|reset|updat|choos|us)(?:e|ed|es|ing|ting)? (?:your|their|the|an?|any|all|unique|strong) [^.,;]{0,30} passwords?|passwords (?:have been|were|of [^.,;]{1,40} (?:have been|were)) (?:reset|changed)|e-?mail (?:phishing|scam|accounts?|system|server|environment|tenant|inbox|us|to|alert)|(?:an|the|this|that|phishing|your|a) e-?mails? (?:from|that|was|to|sent|with|containing|message)|phone calls?|(?:the|these|those|such) (?:e-?mails|messages)|name and address (?:to|when)|credit (?:monitoring|reports?|reporting|freeze|bureau|file|card compan\w*|card processing|card process\w*|card issuer)|account statements?|bank statements?|card statements?|health(?:care)? (?:system|plan|care providers?|network|services|department)|medical (?:center|centre|group|device|practice|office)s?|address (?:this|the|any|your|these)|website address|page address|mailing list|names? of the (?:vendor|company)|(?:brand|domain|file|user group|code) names?|(?:to|we|will|that) address\b|(?:under|over) the age|access logs|text messages|error messages|surveillance|(?:your|my|the|an?|former|current|by|of) employers?|family (?:owned|clinic|medicine|practice|health|physicians)|photo(?:graph)? studio|device management|employee e-?mail|health information (?:exchange|management)|location of|mobile (?:app|application|device)|personal computer|test environment|vehicle (?:of|was)|car (?:of|was)|age of|identity theft|message (?:visibility|viewing|board)|in (?:the )?name of|activity on (?:our|your|the)|(?:to|at) (?:your|the|their|his|her|an?|last known) (?:[a-z]+ ){0,2}address(?:es)?|(?:guess\w*|crack\w*|knew|entered|know) (?:an?|the|his|her|their) (?:[a-z]+ )?passwords?|bank (?:of|alerted)|marketing activities|home page)`,
	`(?P<hashed>(?:(?:hashed|salted|bcrypt(?:ed)?|one-way|cryptographically|securely)[,\s]{0,2}(?:and |& |- )?){1,3}\s?(?:hashed |encrypted |versions? of |hashes of )?(?:account |user |your )?passwords?|passwords?(?: hash(?:es)?| that (?:were|are|had been) (?:salted|hashed)| in hashed form|[,\s]{1,2}(?:which (?:were|are) )?(?:stored (?:as|in) )?\(?(?:salted|hashed|a hash)[^.)]{0,30}\)?)|(?:hash(?:es)?|hashed versions?) of (?:[a-z]+ ){0,2}passwords?)`,
	`(?P<encrypted>encrypted (?:account |user )?passwords?|passwords? (?:were |was |that (?:were|was) |\()encrypted\)?)`,
	`(?P<readable>(?:plain-?\s?text|unencrypted|clear-?\s?text|unhashed) passwords?|passwords?\b[^.,;]{0,40}\bin (?:plain|clear) ?-?text)`,
	`(?P<securityq>(?:security|secret|challenge|password) (?:questions?|hints?)(?:(?: and|/) answers?)?|password reminders?|mother['’]?s?['’]? maiden names?)`,
	`(?P<authtoken>(?:access|authentication|auth|session|OAuth|refresh|sign-in|login|API) (?:tokens|cookies|secrets|keys)|(?:access|authentication|session) token)`,
	`(?P<pin>PINs?\b(?: numbers?| codes?)?|personal identification numbers?)`,
	`(?P<credential>(?:log-?\s?in|account|sign-?in|user|access|online)?\s?(?:credentials)|log-?\s?in (?:information|details|data))`,
	`(?P<password>passwords?|passcodes?)`,
	`(?P<national>social security (?:numbers?|nos?\.?|cards?)|social insurance numbers?|\bSSNs?\b|\bSINs\b|national (?:id(?:entification|entity)?|insurance) numbers?|tax(?:payer)? (?:id(?:entification)?|file)(?: numbers?)?(?: \([^)]{2,8}\))?|government(?:-|\s)?(?:issued )?identification numbers?|personal (?:public service|number) numbers?|PPS numbers?|my number|individual taxpayer identification numbers?|\bTINs?\b|social security)`,
	`(?P<passport>passports?` + numbersEN + `)`,
	`(?P<licence>driver?[’']?s?[’']? licen[cs]es?` + numbersEN + `|driving licen[cs]es?` + numbersEN + `)`,
	`(?P<identity>(?:government|state|military|photo|state-issued|government-issued)[- ](?:issued )?(?:id|identification|identity)(?:entification)?s?(?: cards?| documents?)?(?: numbers?)?|identity documents?|identification (?:cards?|documents?|numbers?)|birth certificates?|id cards?|copies of (?:your )?id\b)`,
	`(?P<cardcode>(?:card )?(?:security|verification|CVV2?|CVC2?|CSC) (?:codes?|numbers?|values?)|CVV2?s?\b|CVC2?\b|three[- ]digit (?:security )?codes?|card verification (?:codes?|values?|numbers?))`,
	`(?P<cardpart>last (?:four|4)(?: digits)?(?: of| digits of)?(?: [a-z]+){0,4} (?:payment|credit|debit|stored)?[ /]?(?:or debit )?cards?(?: numbers?)?|(?:partial|truncated|masked)(?: payment| credit| debit)?(?: or debit)? card (?:numbers?|data|information)|card ending)`,
	`(?P<card>(?:credit|debit|payment)(?:\s?[/]?\s?(?:or |and |and/or )?(?:debit|credit))? ?cards?(?: account)?(?: (?:numbers?|information|details|data))?|card ?holder (?:names?|data|information)|card numbers?|card (?:information|details|data)|card expiration dates?|(?:expiration|expiry) dates?)`,
	`(?P<bank>(?:bank|financial|checking|savings|deposit|direct deposit)(?: or (?:credit|financial))? accounts?` + numbersEN + `|bank(?:ing)? (?:details|information|routing numbers?|data)|account and routing numbers?|routing numbers?|direct deposit information|sort codes?|\bIBANs?\b|account numbers? and routing numbers?)`,
	`(?P<wallet>(?:crypto(?:currency)?|bitcoin|ethereum|digital) wallets?(?: addresses| keys)?|wallet addresses)`,
	`(?P<insurance>(?:(?:health|medical|dental) )?(?:insurance|plan) (?:policy |member |group |account |claims? |subscriber |carrier )?(?:numbers?|information|details|policy|polic(?:y|ies)|ids?(?: numbers?)?|identification numbers?|cards?|data)|medicare(?:/medicaid)?(?: card)? (?:numbers?|ids?|identification(?: numbers?)?|cards?)|medicaid (?:card )?(?:numbers?|ids?|identification(?: numbers?)?)|policy numbers?|subscriber (?:numbers?|ids?)|beneficiary numbers?)`,
	`(?P<email>e-?mail(?:\s|-)?address(?:es)?|e-?mail ids?|e-?mails?)`,
	`(?P<phone>(?:(?:tele)?phone|mobile|cell(?:ular)?(?: phone)?|contact|home phone)(?: numbers?| nos?\.?)|(?:tele)?phone and|mobile phone numbers?)`,
	`(?P<birth>(?:dates?|places? and dates?)(?: |-)of(?: |-)birth|birth ?-?dates?|birthdays?|\bDOBs?\b|(?:month|year) of birth)`,
	`(?P<age>(?:your |their |approximate )?ages?(?: range| group)?)`,
	`(?P<gender>genders?|sex)`,
	`(?P<biometric>biometric (?:data|information|identifiers?)|finger-?prints?|facial (?:images?|recognition data)|voice-?prints?)`,
	`(?P<trait>(?:height|weight)(?: and weight)?|eye colou?r)`,
	`(?P<ethnicity>race(?: and| or|/)? ?ethnicity|ethnicit(?:y|ies)|ethnic (?:origin|background)|racial or ethnic)`,
	`(?P<religion>religio(?:n|us (?:beliefs?|affiliation))s?)`,
	`(?P<politics>political (?:views?|opinions?|affiliation)|donations? history)`,
	`(?P<sexuality>sexual orientation|sex life)`,
	`(?P<nationality>nationalit(?:y|ies)|citizenship(?: status)?|immigration status|country of birth|place of birth)`,
	`(?P<family>marital status|(?:spouse|dependent|beneficiar(?:y|ies)|next[- ]of[- ]kin|emergency contact)[’']?s?[’']? (?:names?|information|details)|family (?:members?|details|information))`,
	`(?P<nickname>nicknames?|display ?names?|screen ?names?)`,
	`(?P<social>(?:twitter|facebook|instagram|linkedin|social media|social network) (?:handles?|accounts?|profiles?|ids?|usernames?))`,
	`(?P<accountid>user ?-?names?|user ?-?ids?|log-?in (?:ids?|names?)|account (?:numbers?|ids?|identifiers?|names?)|customer (?:account )?(?:numbers?|ids?|identification numbers?)|(?:member(?:ship)?|loyalty|patient|student|employee|participant|client|frequent flyer|health record)(?: account)? (?:ids?(?: numbers?)?|numbers?|identification numbers?|identifiers?)|medical record numbers?|\bMRNs?\b|patient account numbers?|unique identifiers?)`,
	`(?P<ip>IP ?-?addresses|IP ?-?address)`,
	`(?P<device>device (?:ids?|identifiers?|information|types?|details|data)|browser (?:types?|information|user.?agents?|details)|user.?agent strings?|type of (?:phone|device)|operating systems? (?:versions?|types?)|MAC address(?:es)?)`,
	`(?P<employer>employer(?:['’]s)? (?:names?|information)|names? of (?:your |their )?employers?|employment (?:information|history|records?|details)|employers?|company names?|place of (?:work|employment))`,
	`(?P<occupation>occupations?|job titles?|positions? held|professions?|department and title)`,
	`(?P<application>(?:job|employment) applications?|résumés?|resumes|curriculum vitae|\bCVs\b)`,
	`(?P<education>(?:education(?:al)?|academic) (?:history|records?|information|background|data)|student records?|transcripts?|(?:grades|marks|test scores|exam results)|GPAs?|degrees? (?:earned|awarded)|school records)`,
	`(?P<health>(?:protected health|personal health|medical|health|clinical|patient health|mental health|healthcare|dental)(?: and (?:treatment|health|medical|clinical|claims?))? (?:information|records?|histor(?:y|ies)|conditions?|treatments?|data|diagnos[ei]s|files?|claims?(?: information)?)|\bPHI\b|diagnos[ei]s(?: (?:and treatment|codes?|information))*|diagnostic (?:information|codes?|images?)|treatment (?:information|details|records?|dates?|notes?|types?|plans?|history)|dates? of (?:service|treatment|admission)|service dates?|prescriptions?(?: information)?|medications?(?: information)?|lab(?:oratory)?(?: test)? results?|test results|x-rays?|procedure (?:codes?|information|type)|physician(?:s['’]?|['’]s)? names?|doctor(?:['’]s)? names?|immuni[sz]ation records?|vaccination (?:status|records?)|claims? information|allergies|paper charts|patient (?:records|charts))`,
	`(?P<finances>(?:salary|salaries|wages?|compensation|income)(?: information| data| amounts?)?|payroll (?:information|data|records?)|tax (?:returns?|forms?|information|documents?|records?)|W-?2s?\b(?: (?:forms?|tax|information|data|statements?))*|1099s?\b(?: forms?)?|(?:account )?balances?|credit (?:scores?|histor(?:y|ies)|rating)|loan (?:information|numbers?|applications?|details|amounts?)|financial (?:information|data|details|records?)|(?:pension|benefits?)(?: payment)? (?:amounts?|payments?)|how much (?:benefit|pension|they (?:earn|receive))[^,.;]{0,20}|net worth|mortgage information)`,
	`(?P<payments>(?:payment|billing|transaction) (?:histor(?:y|ies)|records?)|transaction details|invoices?)`,
	`(?P<purchase>(?:purchase|order|shopping|booking)s? (?:histor(?:y|ies)|details|information|records?|data)|previous orders)`,
	`(?P<loyalty>(?:loyalty|reward)s? (?:points?|programme|program|account|balance|status)[a-z ]{0,12}|points? balances?|reward points|membership (?:level|tier|status|type))`,
	`(?P<vehicle>vehicle (?:information|identification numbers?|registration(?: numbers?)?|details|make)|license plates?(?: numbers?)?|number plates?|\bVINs?\b|registration plates?)`,
	`(?P<travel>(?:travel|trip|flight|itinerary) (?:details|histor(?:y|ies)|information|records?|plans?|data|itinerar\w+)|itinerar(?:y|ies)|reservation (?:information|details|data)|stay details|boarding pass(?:es)?)`,
	`(?P<location>(?:GPS|location|geo-?location) (?:data|information|routes?|coordinates|histor(?:y|ies))|geo-?locations?|(?:whereabouts|home locations?))`,
	`(?P<photo>photo(?:graph)?s?|profile (?:pictures?|photos?|images?)|avatars?|head ?-?shots?|body scan images?|selfies)`,
	`(?P<recording>(?:audio|video|call|voice) recordings?|recordings? of (?:calls|conversations)|voice ?mails?)`,
	`(?P<message>(?:contents? of (?:[a-z]+ ){0,2}|private |direct |personal |chat |secure |included |contained |including )(?:[a-z]+ )?messages|message contents?|e-?mail contents?|contents? of (?:[a-z]+ ){0,2}(?:e-?mails?|correspondence)|chat (?:logs?|histor(?:y|ies))|conversations)`,
	`(?P<support>support (?:tickets?|requests?|cases?|conversations?)|(?:customer )?(?:service|support) (?:records?|inquiries|interactions)|details regarding support tickets)`,
	`(?P<contacts>(?:contact|address|friend) (?:lists?|books?)|phone ?books?|friends? lists?)`,
	`(?P<profile>(?:(?:member |user )?profile|biograph(?:y|ical)) (?:data|information|details|descriptions?)|biograph(?:y|ies)|interests|hobbies|survey (?:answers|responses))`,
	`(?P<activity>(?:usage|browsing|search|viewing|workout) (?:data|histor(?:y|ies)|logs?|records?|information)|(?:login|activity) histor(?:y|ies)|activity (?:data|records)|listening history)`,
	`(?P<source>source code|code repositor(?:y|ies))`,
	`(?P<business>trade secrets?|confidential business information|intellectual property|business (?:records|information|data)|internal documents)`,
	`(?P<system>(?:infrastructure|system|network) (?:configuration|diagrams?)(?: information| data| files?)?|configuration files)`,
	`(?P<address>(?:postal|home|mailing|physical|residential|street|billing|shipping|delivery|business|work)? ?address(?:es)?(?: information)?|zip ?-?codes?|post ?codes?|home and)`,
	`(?P<contactinfo>contact (?:information|details)|demographic (?:information|data)|personally identifiable information)`,
	`(?P<name>(?:first|full|last|patient|customer|student|employee|user|member|parent|resident|your|contact|middle|subscriber|guest)?(?:['’]s?)?(?: and last| initials? and last| or last)? ?names?|initials)`,
}, "|") + `)\b)`)

// classesEN are the vocabulary's words of the groups that English alone has.
var classesEN = map[string]string{
	"securityq": "security-question", "authtoken": "auth-token", "pin": "pin", "credential": "credential", "identity": "identity-document",
	"cardcode": "payment-card:code", "cardpart": "payment-card:partial", "wallet": "crypto-wallet", "age": "age", "biometric": "biometric",
	"trait": "physical-trait", "ethnicity": "ethnicity", "religion": "religion", "politics": "political-view", "sexuality": "sexuality",
	"nationality": "nationality", "family": "family", "social": "social-profile", "device": "device", "application": "job-application",
	"education": "education", "finances": "finances", "payments": "payment-history", "loyalty": "loyalty", "travel": "travel",
	"location": "location", "photo": "photo", "recording": "recording", "support": "support-record", "contacts": "contacts",
	"profile": "profile", "activity": "activity", "source": "source-code", "business": "business-secret", "system": "system",
}

// mentionsOf gives the classes that a sentence names; they are asked for more than once.
func (r *reader) mentionsOf(s sentence) []mention {
	out, ok := r.named[s.from]
	if !ok {
		if r.named == nil {
			r.named = map[int][]mention{}
		}
		out = mentionsEN(r.s, s.from, s.to)
		r.named[s.from] = out
	}
	return out
}

// mentionsEN finds the classes that s[from:to] names.
func mentionsEN(s string, from, to int) []mention {
	var out []mention
	names := termsEN.SubexpNames()
	for _, m := range termsEN.FindAllStringSubmatchIndex(s[from:to], 200) {
		for g := 1; g < len(names); g++ {
			if names[g] == "" || m[2*g] < 0 || names[g] == "skip" {
				continue
			}
			word := classesEN[names[g]]
			if word == "" {
				word = classOf[names[g]]
			}
			if word == "employer" && bareEN.MatchString(s[from+m[0]:from+m[1]]) && !afterItem.MatchString(lastBytes(s[from:from+m[0]], 20)) {
				continue
			}
			if word == "email" && bareMail.MatchString(s[from+m[0]:from+m[1]]) && !(inListEN.MatchString(firstBytes(s[from+m[1]:to], 40)) && afterItem.MatchString(lastBytes(s[from:from+m[0]], 20))) {
				continue
			}
			if incident.KnownClass(word) {
				out = append(out, mention{word, from + m[0], from + m[1]})
			}
		}
	}
	return out
}

// "E-mail" alone is a class only as an item of a list: what else is said of e-mails is how things were sent.
var (
	bareEN    = regexp.MustCompile(`(?i:^employers?$)`)
	bareMail  = regexp.MustCompile(`(?i:^e-?mails?$)`)
	afterItem = regexp.MustCompile(`(?i:(?:^|[,;:/•*-]|\b(?:and|or|your|their|the|includ\w+|contain\w+|names?|was|were))\s?$)`)
	inListEN  = regexp.MustCompile(`(?i:^(?:,|;|/|$|,? (?:and|or|&) (?:home |mobile |cell |your )?(?:phone|password|postal|mailing|address|name|physical|billing|IP\b|user ?-?name|telephone|date|zip)))`)
)

var (
	// What says that the things it is said of were exposed, or were where the intruder was.
	exposedEN = regexp.MustCompile(`(?i:\b(?:includ(?:e|es|ed|ing)|contain(?:s|ed|ing)?|involv(?:e|es|ed|ing)|expos(?:e|es|ed|ing|ure)|compromis\w+|access(?:ed|ible)?\b|acquir\w+|affect(?:ed|ing)?|impact(?:ed|ing)?|obtain(?:ed|ing)?|disclos(?:ed|ing|ure)|exfiltrat\w+|stolen|stole|theft|viewed|viewable|visible|seen|see|be read|display(?:ed|ing)?|copied|shared|holds?|held|carried|stored|stores?|show(?:s|ed|n)?|captured|intercept\w*|leak(?:ed)?|released|posted|published|were on|was on|taken|(?:was|were) (?:e-?mailed|sent|provided|transmitted|forwarded)\b|e-?mailed (?:an?|the) (?:file|spreadsheet|document|list|report|form)|(?:to|would) send\b|(?:was|were) in (?:it|them|the)|has your|possessed|consist(?:s|ed)? of|listed|data elements|may have been|downloaded|transmit\w*)\b)`)
	// What belongs to advice, to what is done against it and to what one needs to be served.
	adviceEN = regexp.MustCompile(`(?i:\b(?:we (?:recommend|encourage|advise|urge|suggest)|you (?:can|should|may (?:wish|also|contact|place|obtain|want)|have the right|will need|must)|please\b|change your|reset your|remain vigilant|beware|be wary|be alert|do not (?:click|share|provide)|never ask|will (?:not|never) (?:ask|request)|contact us|to enroll|protect yourself|place a (?:fraud|security)|in order to|placing a|to request|when (?:calling|contacting)|consider (?:asking|changing|placing)|proof of|by giving|free of charge|complimentary|we (?:have )?(?:reset|require|required|forced|invalidated))\b)`)
	// What describes a service or a rule, not what was lost.
	asideSaid  = regexp.MustCompile(`(?i:\b(?:if you (?:reuse|use the|used the same|believe|have|see|receive)|using the same|uses technology|respect the privacy|takes? the (?:privacy|security|protection)|committed to|importance of|we value|helps? (?:detect|protect)|identity (?:theft|protection) (?:protection|services|insurance)|remember|we will (?:never|not)|would (?:not )?ask|phishing e-?mails often|trained|training|now require|additional safeguards|was responding to|in response to his request|mailed to you|notified by e-?mail|unlike|designed to)\b)`)
	personalEN = regexp.MustCompile(`(?i:\b(?:personal|personally identifiable|confidential customer|identifying) (?:and (?:financial|medical|health|confidential|sensitive) )?(?:information|data|details)\b)`)
	// What one has is not what was taken.
	harmEN = regexp.MustCompile(`(?i:\b(?:expos|compromis|access|acquir|affect|impact|obtain|disclos|exfiltrat|stolen|stole|theft|view|contain|involv|includ|copied|leak|relat|taken|resid|intru|without authori[sz]ation|unauthori[sz]ed)\w*)`)
)

// classesOfEN proposes which data were exposed: what sentences say was, and the lists that they announce. A clause that
// denies, and advice, name the same words and count for nothing.
func (r *reader) classesOfEN() {
	announced, possible, any := false, false, false
	var personal *mention
	personalPossible := false
	for n, s := range r.sentences[:min(len(r.sentences), maxTold)] {
		l := r.lines[s.line]
		part := r.s[s.from:s.to]
		sec := r.sectionEN(s)
		if sec == secPast || sec == secContact || sec == secPrevention {
			announced = false
			continue
		}
		advice := adviceEN.MatchString(part) && !strongEN.MatchString(part)
		item := announced && (l.list || n > 0 && r.sentences[n-1].line == s.line || listItem.MatchString(part))
		listing := !advice && len(r.mentionsOf(s)) > 2
		exposing := listing || item && !l.heading || (exposedEN.MatchString(part) || sec == secItems) && !advice && !asideSaid.MatchString(part)
		if exposing && !(l.heading && s.to-s.from < 70) {
			certainty := incidentCertainty(possibleEN.MatchString(part) || item && possible)
			for _, m := range r.mentionsOf(s) {
				if r.seen["data-class\x00"+m.word] > 0 {
					any = true
					continue
				}
				if !r.deniedHere(s, m) && !r.besideEN(s, m) {
					any = true
					if m.word == "account-id" && bankEN.MatchString(r.own) && strings.HasPrefix(strings.ToLower(r.s[m.from:m.to]), "account number") {
						m.word = "bank-account" // a bank has no other accounts
					}
					r.classEN(m, certainty)
				}
			}
			if m := personalEN.FindStringIndex(part); m != nil && personal == nil && harmEN.MatchString(part) {
				if p := (mention{"personal", s.from + m[0], s.from + m[1]}); !r.deniedHere(s, p) {
					personal, personalPossible = &p, possibleEN.MatchString(part)
				}
			}
		}
		if announceEN.MatchString(lastBytes(part, 300)) && (exposedEN.MatchString(part) || sec == secItems) {
			announced, possible = !scopeEN.MatchString(part), possibleEN.MatchString(part)
		} else if !item {
			announced = false
		}
	}
	if personal != nil && !any {
		r.classEN(*personal, incidentCertainty(personalPossible))
	}
}

var bankEN = regexp.MustCompile(`\b(?:Bank|Credit Union|Savings|Bancorp|Brokerage)\b`)

var (
	announceEN = regexp.MustCompile(`(?i:(?:following|includ(?:es?|ed|ing)|contain(?:s|ed)|such as|involved|taken|affected|types? of (?:data|information))[^.:]{0,90}:$|:$)`)
	listItem   = regexp.MustCompile(`^[\s>]*(?:[-*•·●▪–—o]\s|\(?[a-z0-9]{1,2}[.)]\s)`)
	strongEN   = regexp.MustCompile(`(?i:(?:accessed|acquired|obtained|exposed|compromised|stolen|viewed|exfiltrated|disclosed|copied|affected) your|your [^.]{0,80}(?:was|were|may have been) (?:\w+ )?(?:accessed|acquired|obtained|exposed|compromised|stolen|viewed|exfiltrated|disclosed|copied|affected)|(?:may|could|did|to) (?:have )?(?:access|acquire|see|view|obtain))`)
)

func (r *reader) classEN(m mention, certainty incident.Certainty) {
	if strings.HasPrefix(m.word, "password:") {
		r.seen["data-class\x00password"]++
	}
	r.propose(incident.Fact{Key: "data-class", Item: m.word, Value: incident.Value{Word: m.word}, Certainty: certainty}, m.from, m.to, "")
}

// unsureEN is what nobody knows yet.
var unsureEN = regexp.MustCompile(`(?i:\b(?:whether|too early|cannot say|do not (?:yet )?know)\b[^;.]*$)`)

var (
	edgeEN = regexp.MustCompile(`(?i:[;:]\s|,?\s(?:but|however|although|while|whereas|though)\b|\. |,\sand\s(?:the|it|we|they|our|no|all|a)\b|\s\(|\))`)
	// Words that deny what follows or precedes them in their clause.
	scopeEN    = regexp.MustCompile(`(?i:\b(?:did not|didn['’]t|does not|doesn['’]t|do not|don['’]t|was not|wasn['’]t|were not|weren['’]t|is not|are not|has not|have not|had not|could not|cannot|can not|may not have|no evidence|no indication|is no|are no|was no|were no|not (?:include|contain|affect|access|involve|compromis|expos|store|have|touched)\w*|never|excluding|except(?: for)?|other than|without|neither|nor|none of|unaffected|no)\b)`)
	relativeEN = regexp.MustCompile(`(?i:\s(?:that|which|who)\s(?:did|does|do|was|were|had|has|is|are|could|have|should)(?:\s(?:not|never)\b|n['’]t\b))`)
	onwardEN   = regexp.MustCompile(`(?i:^(?:excluding|except(?: for)?|other than|without|nor)$)`)
	// "No action was needed": a no that denies something else, or "not only".
	notDenial  = regexp.MustCompile(`(?i:^\s(?:only|just|limited|merely|yet (?:known|clear|been)|fully secured|encrypted|longer|later|password[- ]protected|doubt|fewer|less|more|later than|legitimate|business need|authori[sz]ation|permission|a cryptographically|all|hashed)\b)`)
	cannotRule = regexp.MustCompile(`(?i:^\s(?:be )?rule)`)
)

// deniedHere reports whether m stands in a clause that denies.
func (r *reader) deniedHere(s sentence, m mention) bool {
	// No clause is longer than this, and a list may name hundreds of things.
	s.from, s.to = max(s.from, m.from-600), min(s.to, m.to+300)
	part := r.s[s.from:s.to]
	from, to := 0, len(part)
	open := strings.Count(part[:m.from-s.from], "(") - strings.Count(part[:m.from-s.from], ")")
	for _, e := range edgeEN.FindAllStringIndex(part, 60) {
		word := part[e[0]:e[1]]
		if open > 0 && word == " (" { // "no data (such as names)": what stands in brackets is of the clause around them
			continue
		}
		if e[1] <= m.from-s.from {
			from = e[1]
		} else if e[0] >= m.to-s.from {
			to = e[0]
			break
		}
	}
	// "in a folder that did not need a password" denies nothing of what stands before it.
	if rel := relativeEN.FindStringIndex(part[m.to-s.from : to]); rel != nil {
		to = m.to - s.from + rel[0]
	}
	clause := part[from:to]
	if unsureEN.MatchString(part[:m.from-s.from]) {
		return true
	}
	for _, n := range scopeEN.FindAllStringIndex(clause, 12) {
		word := clause[n[0]:n[1]]
		tail := clause[n[1]:]
		if notDenial.MatchString(tail) || cannotRule.MatchString(tail) {
			continue
		}
		if onwardEN.MatchString(word) || strings.EqualFold(word, "no") {
			if m.from-s.from >= from+n[0] {
				return true
			}
			continue
		}
		return true
	}
	return false
}

var mailboxEN = regexp.MustCompile(`(?i:mailbox|inbox|e-?mail account)`)

var (
	otherSite = regexp.MustCompile(`(?i:(?:obtained|stolen|taken|leaked|compromised|acquired)[^.;]{0,40}\b(?:from|at|in|through|via)\b[^.;]{0,30}\b(?:an)?(?:other|elsewhere|different|third[- ]party|previous|unrelated|dark web|breaches)\b|Super Admin|engineer|employee['’]s|staff member|their password on)`)
)

// besideEN reports a class that a sentence names as the attacker's means: the passwords that were stolen elsewhere.
func (r *reader) besideEN(s sentence, m mention) bool {
	part := r.s[s.from:s.to]
	switch m.word {
	case "message-content":
		// The mailbox that was opened is told of in every such notice; what lay in it is listed behind.
		return mailboxEN.MatchString(part) && !strings.HasPrefix(strings.ToLower(r.s[m.from:m.to]), "content")
	case "password", "account-id", "credential", "email", "auth-token":
		near := part[max(0, m.from-s.from-90):min(len(part), m.to-s.from+140)]
		return otherSite.MatchString(near) && !strings.Contains(near, "your")
	}
	return false
}
