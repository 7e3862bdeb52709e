package extract

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEnglishExcerpts holds of short texts, as letters to an authority have them: what each states, by key, and nothing
// else. Keys that a case does not look at are left out.
func TestEnglishExcerpts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{`Juniper Hollow Inc. recently learned that an unauthorized individual may have gained access to one of its databases. We became aware of the issue on May 12, 2017. The access took place between the evening of April 30, 2017 and the morning of May 2, 2017.`,
			`organisation Juniper Hollow Inc.; discovered 2017-05-12; window.start 2017-04-30; window.end 2017-05-02; cause intrusion`},
		{`We are writing because of a theft that took place at our Dayton office over the weekend of August 3-4, 2013. Someone broke in and stole a safe and two desktop computers. The computers had our customers' names, addresses and driver's license numbers on them.`,
			`window.start 2013-08-03; window.end 2013-08-04; data-class name; data-class address; data-class driving-licence; cause theft`},
		{`On or about 6/14/2016, an employee of Tannery Row Credit Union mistakenly e-mailed a spreadsheet to another member. The spreadsheet listed your name, account number, and Social Security number. The member who received it has confirmed in writing that it was deleted.`,
			`organisation Tannery Row Credit Union; window.start 2016-06-14; data-class name; data-class bank-account; data-class national-id:ssn; cause misdirected-mail`},
		{`What happened? During the week of January 11, 2021, Osprey Fitness discovered that someone had logged in to customer accounts with email addresses and passwords that were likely taken from breaches of other companies. The log-ins occurred from December 28, 2020 through January 9, 2021.`,
			`organisation Osprey Fitness; window.start 2020-12-28; window.end 2021-01-09; cause credential-stuffing`},
		{`I am the owner of Pell & Daughters Bookkeeping. On 2/27/2019 I found out that a stranger had been able to get into my e-mail account. Tax returns of my clients were in it.`,
			`organisation Pell & Daughters Bookkeeping; discovered 2019-02-27; data-class finances; cause intrusion`},
		{`Sablefish Brewing was recently the victim of a ransomware attack that encrypted files on our servers. The attack was detected on July 8, 2022, and we shut down our network within an hour. We do not know whether the attackers took any personal data.`,
			`organisation Sablefish Brewing; discovered 2022-07-08; contained 2022-07-08; cause ransomware`},
		{`On October 21, 2014, a box with patient charts fell off a courier's truck and could not be found. It held the names, diagnoses and dates of birth of 83 patients of Fennimore Eye Clinic. We were told of the loss on October 23, 2014.`,
			`organisation Fennimore Eye Clinic; window.start 2014-10-21; discovered 2014-10-23; affected.count 83 persons; data-class name; data-class health; data-class birth-date; cause lost-media`},
		{`Between approximately March 2015 and November 2015, malware on the point-of-sale terminals of Copperline Grill collected the card number, expiration date and cardholder name of cards that were swiped. Card security codes were not collected.`,
			`window.start 2015-03; window.end 2015-11; data-class payment-card; cause malware`},
		{`Wexley Tours has discovered that a setting on our booking page let anyone with the link see other travelers' reservations. The page was exposed from 9 June 2020 until 30 June 2020, when we fixed the setting. Names, passport numbers and itineraries of 1,204 travelers could be seen. We are not aware that anybody misused them.`,
			`organisation Wexley Tours; window.start 2020-06-09; window.end 2020-06-30; affected.count 1204 persons; data-class name; data-class passport; data-class travel; cause misconfiguration; secondary-damage misuse none-confirmed`},
		{`On the afternoon of September 5, 2018, a laptop belonging to an auditor of Marlstone Insurance was taken from a locked car. Marlstone Insurance was informed of the theft the next day. The laptop was password-protected but not encrypted.`,
			`organisation Marlstone Insurance; window.start 2018-09-05; discovered 2018-09-06; cause theft`},
		{`Our records show that you bought tickets from Larkfield Arena online. We have been notified by our ticketing provider, Stubline, that malicious code was present on its checkout pages between June 1 and August 15, 2019. Stubline removed the code on August 16, 2019.`,
			`organisation Larkfield Arena; window.start 2019-06-01; window.end 2019-08-15; contained 2019-08-16; cause web-skimming`},
		{`We learned on Thursday, 20 May 2021 that an ex-employee kept a copy of our customer list when he left us in April and has offered it to a competitor. The list has company names, contact names and telephone numbers.`,
			`discovered 2021-05-20; data-class employer; data-class name; data-class phone; cause insider`},
		{`A coding error in our member portal caused some members of Heartwood Dental Plan to see the claims of other members. The error was introduced on November 2, 2016 and corrected on November 9, 2016. It came to our attention on November 8, 2016 when a member called.`,
			`organisation Heartwood Dental Plan; window.start 2016-11-02; contained 2016-11-09; discovered 2016-11-08; cause defect`},
		{`This letter is to notify you that your 1099 form was mailed to an old address on January 29, 2018. The form shows your name, Social Security number and the amount that Brightwater Royalty Partners LP paid you.`,
			`window.start 2018-01-29; data-class name; data-class national-id:ssn; cause misdelivery`},
		{`Cobbleton School District became aware on March 1, 2022 of unauthorized access to PupilBase, the student information system of our vendor. The intruder downloaded files with student names, grades, and disability status on December 28, 2021. No Social Security numbers were in the files.`,
			`organisation Cobbleton School District; discovered 2022-03-01; window.start 2021-12-28; data-class name; data-class education; cause intrusion`},
		{`We wanted you to know that our hosting company had a security problem. Attackers reached the database of our forum on 4th February 2012. They obtained your username, e-mail address and an MD5 hash of your password. Your password has been reset.`,
			`window.start 2012-02-04; data-class account-id; data-class email; data-class password:hashed; cause intrusion`},
		{`On 12 January 2023 we experienced a cyber incident which resulted in a third party accessing a file server. Having investigated, we wrote to all 5,600 affected employees on 3 March 2023. The Information Commissioner's Office has been informed.`,
			`window.start 2023-01-12; affected.count 5600 persons; persons-notified 2023-03-03; cause intrusion`},
		{`We regret to tell you that your Ashgrove Hotels guest account was accessed by someone other than you on 06/30/2020. From the account they could see your name, email, phone number, loyalty number and upcoming stays. They could not see your full card number.`,
			`organisation Ashgrove Hotels; window.start 2020-06-30; data-class name; data-class email; data-class phone; data-class account-id; cause intrusion`},
		{`In the course of an internal audit that ended in June 2011, the county found that a hard drive with payroll data could not be accounted for. It was last seen on February 14, 2011. It contained names, Social Security numbers and salaries of roughly 14,000 current and former employees.`,
			`affected.count 14000 persons about; data-class name; data-class national-id:ssn; data-class finances; cause lost-media`},
		{`Someone who pretended to be an executive asked for our employees' W-2 statements by email on February 2, 2017, and they were sent the same day. The fraud was discovered on February 6, 2017.`,
			`window.start 2017-02-02; discovered 2017-02-06; data-class finances; cause phishing`},
		{`Vellum Notes Security Incident

On 30 March 2016 at approximately 20:30 UTC an unknown entity gained control of the account of one of our administrators and used it to copy the user table. We noticed the copy at 02:10 UTC on 31 March 2016 and disabled the account. The user table has nicknames, email addresses and bcrypt password hashes of roughly 250,000 users.`,
			`organisation Vellum Notes; window.start 2016-03-30T20:30Z; discovered 2016-03-31T02:10Z; affected.count 250000 persons about; data-class nickname; data-class email; data-class password:hashed; cause intrusion`},
		{`At Kestrel Mutual, we take privacy seriously. We recently discovered an incident involving one of our claims adjusters, who lost a notebook on a train on May 7, 2012. The notebook had handwritten notes about your claim, including your name and policy number.`,
			`organisation Kestrel Mutual; window.start 2012-05-07; data-class name; data-class insurance-number; cause lost-media`},
		{`The Registrar's Office of Holloway College accidentally attached the wrong file to an e-mail sent to 64 students on December 3, 2015. The file held the names, student IDs and GPAs of 1,310 students. The error was noticed the same day.`,
			`organisation Registrar's Office of Holloway College; window.start 2015-12-03; discovered 2015-12-03; affected.count 1310 persons; data-class name; data-class account-id; data-class education; cause misdirected-mail`},
		{`Your payment card information may have been compromised if you used your card at Bluestem Market between Nov. 27, 2013 and Dec. 15, 2013. Our card processor reported that it saw fraud on cards used in our stores on January 10, 2014.`,
			`organisation Bluestem Market; window.start 2013-11-27; window.end 2013-12-15; discovered 2014-01-10; data-class payment-card`},
		{`Dear Guardian, We recently learned that a teacher at Maple Fork Elementary School stored student photos and emergency contact details in an online folder that did not require a password. The folder was created on August 20, 2018 and closed on October 1, 2018, the day we learned of it. About 75 students are affected.`,
			`organisation Maple Fork Elementary School; affected.count 75 persons about; data-class photo; data-class family; cause misconfiguration; contained 2018-10-01`},
		{`On September 30, 2020 Quarryville Hospital was hit by a cyberattack that disrupted our computers. We took our systems offline on October 1, 2020. The investigation has found that the attackers took files with patient information, such as names, addresses, diagnoses and insurance numbers. The number of patients affected is 21,450.`,
			`organisation Quarryville Hospital; window.start 2020-09-30; contained 2020-10-01; affected.count 21450 persons; data-class name; data-class address; data-class health; data-class insurance-number; cause intrusion`},
		{`We write to inform you that Strand & Loam Architects LLP suffered a breach of its payroll portal. From about June 1 until June 19, 2018, an intruder who had guessed a password could see employees' direct deposit information. Strand & Loam notified the 212 employees on June 29, 2018.`,
			`organisation Strand & Loam Architects LLP; window.start 2018-06-01; window.end 2018-06-19; affected.count 212 persons; persons-notified 2018-06-29; data-class bank-account; cause intrusion`},
		{`In February 2015, Peregrine Apparel received several complaints of unauthorized charges from customers who had shopped on its website. A review of the site found that a plug-in had been altered on December 19, 2014 so that it would send card data to a server abroad. The altered plug-in was removed on February 17, 2015.`,
			`organisation Peregrine Apparel; discovered 2015-02; window.start 2014-12-19; contained 2015-02-17; data-class payment-card`},
		{`This notice is about a mailing vendor of Tri-Valley Health Plan. Because of a sorting mistake, 318 members got an explanation of benefits that belonged to another member. The letters went out on 04/18/2019. A member told us about it on 04/22/2019. The letters show the member's name, member ID number, and the doctor's name and service date. Social Security numbers are not on these letters.`,
			`organisation Tri-Valley Health Plan; window.start 2019-04-18; cause misdelivery; discovered 2019-04-22; affected.count 318 persons; data-class name; data-class account-id; data-class health`},
		{`Someone gained access to the Gravelpit mailing list server and downloaded the subscriber list. It happened on Sunday, November 6, 2011. The list contains the e-mail addresses of all subscribers. Passwords of the list service were stored in plain text, and they were taken as well.`,
			`window.start 2011-11-06; data-class email; data-class password:plain; cause intrusion`},
		{`City of Brackwater: Notice of Data Breach. An intruder had access to the City's online utility bill payment page between March 10, 2017, and May 2, 2017. If you paid your bill online in that time, your card number, expiration date, and billing address may have been taken. The City learned of the intrusion on May 1, 2017 and has disabled the page.`,
			`organisation City of Brackwater; window.start 2017-03-10; window.end 2017-05-02; discovered 2017-05-01; data-class payment-card; data-class address; cause intrusion`},
		{`Fernbrook Pharmacy regrets that a bag with prescription labels was put into ordinary trash on July 30, 2010 instead of being shredded. The labels have patients' names, addresses and the medication they were given. We have recovered the bag.`,
			`organisation Fernbrook Pharmacy; window.start 2010-07-30; data-class name; data-class address; data-class health`},
		{`Yesterday we disclosed that an attacker published a tampered release of our command line tool. The tampered release was available for download from 13:00 UTC on 2 June 2021 to 16:45 UTC on 2 June 2021. It sent environment variables, which may include access tokens, to a host of the attacker. We rotated our signing key.`,
			`window.start 2021-06-02T13:00Z; window.end 2021-06-02T16:45Z; data-class auth-token; cause intrusion`},
		{`As a former employee of Dovetail Freight, Inc., you may be affected by an incident at Paywright, the company that runs our payroll. Paywright told Dovetail Freight on August 11, 2021 that an unauthorized user had been in its systems from July 24 to July 28, 2021. Your name, Social Security number and bank account number were among the data.`,
			`organisation Dovetail Freight, Inc.; discovered 2021-08-11; window.start 2021-07-24; window.end 2021-07-28; data-class name; data-class national-id:ssn; data-class bank-account; cause intrusion`},
		{`We found a bug in our mobile app on 19 October 2019 which showed some users the profile pictures and birthdays of other users. It was fixed within two hours. At most 900 users were concerned.`,
			`discovered 2019-10-19; affected.count 900 persons at-most; data-class photo; data-class birth-date; cause defect`},
		{`I'm writing on behalf of Harlan & Vetch, CPAs. On March 14, 2018, clients called us because the IRS had rejected their returns as already filed. We learned that day that somebody had stolen tax information from our computers through remote access. Fraudulent returns have been filed for 22 clients.`,
			`organisation Harlan & Vetch, CPAs; discovered 2018-03-14; data-class finances; cause intrusion; secondary-damage misuse confirmed`},
		{`Northlight Credit Bureau of Maine (“Northlight”) values your trust. On August 6, 2018, an unencrypted CD that we had sent by mail to a branch did not arrive. The CD contained your name, address, loan number and Social Security number. We have no reason to believe that the CD was stolen.`,
			`organisation Northlight Credit Bureau of Maine; data-class name; data-class address; data-class finances; data-class national-id:ssn; cause lost-media`},
		{`Statement – 9 November 2021. Beacon Hill Trampoline Park has been told by its booking software provider that a database of bookings could be accessed over the internet for some days in October 2021. The database has parents' names, children's ages and phone numbers. No payment details are stored in it.`,
			`organisation Beacon Hill Trampoline Park; disclosed 2021-11-09; window.start 2021-10; data-class name; data-class age; data-class phone; cause misconfiguration`},
		{`The Commission's HR office learned Jan. 4, 2010 that a clerk had e-mailed a file with the Social Security numbers of 1,100 workers to her personal account without permission. She sent it Dec. 29, 2009. She was dismissed on Jan. 8, 2010.`,
			`discovered 2010-01-04; window.start 2009-12-29; affected.count 1100 persons; data-class national-id:ssn; cause insider`},
		{`Oakhurst Academy of Dance recently suffered an e-mail breach. Between 22 and 26 September 2022, an unauthorised third party had access to the inbox of our bursar, after she clicked on a link in a phishing message. Parents' bank details, names and home addresses may have been seen. We told the ICO on 29 September 2022, and affected parents on 3 October 2022.`,
			`organisation Oakhurst Academy of Dance; window.start 2022-09-22; window.end 2022-09-26; regulator-notified 2022-09-29; data-class bank-account; data-class name; data-class address; cause phishing`},
		{`Dear Valued Guest: Larkspur Lodge was notified on or about June 6, 2017 by Reservo Hospitality, which runs our reservations, that an unauthorized party accessed unencrypted payment card information for hotel reservations from August 10, 2016 until March 9, 2017.`,
			`organisation Larkspur Lodge; discovered 2017-06-06; window.start 2016-08-10; window.end 2017-03-09; data-class payment-card; cause intrusion`},
		{`What Happened: On November 3, 2022, we determined that one employee's email account was accessed without authorization. What Information Was Involved: Your first name, last name, and date of birth. Tidewater Home Care apologizes for any inconvenience.`,
			`organisation Tidewater Home Care; discovered 2022-11-03; data-class name; data-class birth-date; cause intrusion`},
		{`Our forum was hacked on the night of 14 July 2012. We know that the attacker got e-mail addresses, salted SHA-1 password hashes and private messages of 4,021 members. Everybody has to choose a new password.`,
			`window.start 2012-07-14; affected.count 4021 persons; data-class email; data-class password:hashed; data-class message-content; cause intrusion`},
		{`Trellis Software, LLC is notifying customers of its Rosterly product that a file server was left without a password between 2/1/2020 and 2/27/2020. The server held employee rosters: names, job titles, work schedules and home phone numbers. Approximately 18,900 people are in the rosters.`,
			`organisation Trellis Software, LLC; window.start 2020-02-01; window.end 2020-02-27; affected.count 18900 persons about; data-class name; data-class occupation; data-class phone; cause misconfiguration`},
		{`Two unencrypted backup tapes of the Medical Arts Group of Pinehaven were stolen from the car of an employee on September 14, 2011. The tapes may contain names, Social Security numbers, laboratory results and prescriptions of 4.9 million patients. The theft was reported to us on September 14, 2011.`,
			`organisation Medical Arts Group of Pinehaven; window.start 2011-09-14; discovered 2011-09-14; affected.count 4900000 persons; data-class name; data-class national-id:ssn; data-class health; cause theft`},
		{`Pollard County mailed voter cards on September 1, 2016 that showed the last four digits of the voter's Social Security number through the envelope window. 2,211 residents received such a card. The clerk noticed it on September 6, 2016.`,
			`organisation Pollard County; window.start 2016-09-01; discovered 2016-09-06; data-class national-id:ssn`},
		{`On 25 May 2020 an employee of the Ministry of Works sent an email about allowances to 300 applicants with all addresses in the "To" field. Nothing but e-mail addresses could be seen. The employee noticed at once. The data protection authority was informed on 27 May 2020.`,
			`organisation Ministry of Works; window.start 2020-05-25; regulator-notified 2020-05-27; affected.count 300 persons; data-class email; cause misdirected-mail`},
		{`On April 2, 2022, Sorrel Market began an investigation into unusual activity on its network. It posted a notice on its website on May 6, 2022. The investigation found that an intruder had been in the network since March 28, 2022 and had copied files with names and tax identification numbers of suppliers.`,
			`organisation Sorrel Market; data-class name; data-class national-id; cause intrusion`},
	} {
		res, err := Notice([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range res.Entries() {
			if !slices.Contains(measured, e.Key) {
				continue
			}
			s := e.Key + " " + valueOf(e)
			switch {
			case e.Status != "":
				s += " " + e.Status
			case strings.HasSuffix(e.Key, ".count"):
				s = e.Key + " " + strconv.FormatInt(e.Value.(int64), 10) + " " + e.Unit
				if e.Qualifier != "exact" {
					s += " " + e.Qualifier
				}
			}
			got = append(got, s)
		}
		want := strings.Split(c.want, "; ")
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("%.40s: lacks %s", c.text, w)
			}
		}
		for _, g := range got {
			if !slices.Contains(want, g) {
				t.Errorf("%.40s: invents %s", c.text, g)
			}
		}
	}
}

// TestEnglishRefused holds of texts that tell of no incident of their author's.
func TestEnglishRefused(t *testing.T) {
	for _, text := range []string{
		`Protecting your accounts. Criminals send phishing e-mails that look like ours. Never share your password, and call us if you think that your account has been compromised. We will never ask for your card number by e-mail.`,
		`Incident response policy. Effective January 1, 2022. Employees must report lost laptops to the help desk. If personal information was accessed by an unauthorized person, the privacy officer notifies affected individuals within 60 days.`,
		`Version 4.2.1, released on March 3, 2021. Fixes: a bug in the date picker; an error when saving large files. Thanks to everyone who reported issues.`,
		`On May 3, 2021 between 10:00 and 11:30 UTC our API returned errors for about 5% of requests. We found that a database ran out of connections and restarted it. We apologize for the downtime. Nothing was lost.`,
		`Five lessons from the Gullwing Airlines breach. Gullwing Airlines discovered on June 4, 2019 that hackers had stolen 90,000 passenger records. In this article we explain what your company can learn from it. Book a demo to see how our platform helps detect intruders.`,
		`Beware of fraudulent text messages. We have been made aware of messages that pretend to come from Northgate Savings and ask for your PIN. They are not from us. Please delete them.`,
		`What to do if your employer tells you about a data breach: change your password, look at your bank statements, and place a fraud alert. Many people get such letters every year.`,
		`NOTICE OF DATA BREACH. On <date>, we learned that an unauthorized person accessed our network. The following information was involved: <list data elements>. Call <number> with questions.`,
		`A federal court fined Plumfield Stores on Tuesday over a 2014 breach in which hackers took 2 million card numbers, according to a statement. Plumfield said it disagrees. "We will appeal," a spokesperson told reporters.`,
		`Our commitment to security. We encrypt customer data, and we notify customers of any unauthorized access without undue delay. Our systems are audited every year; the last audit ended on April 30, 2023.`,
	} {
		res, err := Notice([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range res.Entries() {
			t.Errorf("%.40s: %s %v", text, e.Key, e.Value)
		}
	}
}

// TestEnglishLimits reads the largest texts in which every word may be a name or a class: it ends, and proposes no more than it
// may. How the time grows BenchmarkHostile shows.
func TestEnglishLimits(t *testing.T) {
	t.Parallel()
	for _, part := range hostileEN {
		res, err := Notice(repeatedEN(part, maxText))
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Proposals) > maxProposals {
			t.Errorf("%q: %d proposals", part, len(res.Proposals))
		}
	}
}

// hostileEN are pieces that, repeated, make the rules for English look as far as they may.
var hostileEN = []string{"1,234 Customers of The Company Name Bank, ", "On May 3, 2021 no name was accessed, "}

func repeatedEN(part string, size int) []byte {
	return []byte("We discovered unauthorized access. " + strings.Repeat(part, (size-200)/len(part)))
}
