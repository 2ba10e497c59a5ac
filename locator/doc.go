// Package locator is the patient information locator (pasientinformasjonslokalisator,
// PIL): who holds data of which kind about a patient. It knows that somebody has
// something, never what it says.
//
// A source (a system of a community) states all that it holds about a patient, and a
// newer statement takes the place of an older one, so that statements may be sent
// again, in any order. At system level a locator knows systems and kinds; at
// organisation level only which organisations hold something, and the communities'
// own locators know the rest. A community that reports that the locator knows
// everything of it is covered, as long as it goes on reporting: only of a covered
// community does silence mean that it holds nothing.
//
// It imports storage, access and metadata. sharing calls it under the guard;
// locator/rest is its door and its client.
package locator
