// What every catalog promises about namespaces, their properties, renaming, and odd names.

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "catalog_conformance.h"

namespace signaldb::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

const Namespace kProd = {"acme", "prod"};

Status Update(Catalog& catalog, const Properties& set, std::vector<std::string> removed = {}) {
  return catalog.UpdateNamespaceProperties(kProd, set, removed);
}

// --- namespaces

TEST_P(CatalogConformance, KnowsNoNamespaceThatWasNeverCreated) {
  EXPECT_THAT(catalog_->NamespaceExists({"other"}), IsOkAnd(false));
  EXPECT_THAT(catalog_->NamespaceProperties({"other"}), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(catalog_->ListTables({"other"}), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(catalog_->DropNamespace({"other"}), IsError(ErrorKind::kNotFound));
}

TEST_P(CatalogConformance, ShowsTheSameNamespacesThroughAnotherHandle) {
  ASSERT_THAT(catalog_->CreateNamespace({"x"}, {{"k", "v"}}), IsOk());
  EXPECT_THAT(Second()->NamespaceExists({"x"}), IsOkAnd(true));
  EXPECT_THAT(Second()->NamespaceProperties({"x"}), IsOkAnd(ElementsAre(Pair("k", "v"))));
}

TEST_P(CatalogConformance, CreatesANamespaceWithoutProperties) {
  ASSERT_THAT(catalog_->CreateNamespace({"plain"}, {}), IsOk());
  EXPECT_THAT(catalog_->NamespaceProperties({"plain"}), IsOkAnd(IsEmpty()));
  EXPECT_THAT(catalog_->ListTables({"plain"}), IsOkAnd(IsEmpty()));
}

TEST_P(CatalogConformance, CreatesANamespaceInsideAnother) {
  ASSERT_THAT(catalog_->CreateNamespace({"acme", "prod", "eu"}, {}), IsOk());
  EXPECT_THAT(catalog_->NamespaceExists({"acme", "prod", "eu"}), IsOkAnd(true));
}

TEST_P(CatalogConformance, RefusesToCreateAParentThatExistsThroughItsChild) {
  EXPECT_THAT(catalog_->CreateNamespace({"acme"}, {}), IsError(ErrorKind::kConflict));
}

TEST_P(CatalogConformance, CreatesANamespaceSixteenLevelsDeep) {
  const Namespace deep(16, "level");
  ASSERT_THAT(catalog_->CreateNamespace(deep, {}), IsOk());
  ASSERT_THAT(CreateIn(deep, "t"), IsOk());
  EXPECT_THAT(catalog_->ListTables(deep), IsOkAnd(SizeIs(1)));
}

TEST_P(CatalogConformance, ListsNestedNamespacesInOrderByLevel) {
  for (const Namespace& levels : {Namespace{"b"}, Namespace{"a"}, Namespace{"a", "z"},
                                  Namespace{"a", "b", "c"}, Namespace{"a-b"}}) {
    ASSERT_THAT(catalog_->CreateNamespace(levels, {}), IsOk());
  }
  EXPECT_THAT(catalog_->ListNamespaces(),
              IsOkAnd(ElementsAre(Namespace{"a"}, Namespace{"a", "b", "c"}, Namespace{"a", "z"},
                                  Namespace{"a-b"}, kProd, Namespace{"b"})));
}

TEST_P(CatalogConformance, ListsNoNamespaceOfAnEmptyCatalog) {
  ASSERT_THAT(catalog_->DropNamespace(kProd), IsOk());
  EXPECT_THAT(catalog_->ListNamespaces(), IsOkAnd(IsEmpty()));
}

TEST_P(CatalogConformance, ListsANamespaceOnceHoweverManyTablesItHas) {
  for (const std::string& name : std::vector<std::string>{"a", "b", "c"}) {
    ASSERT_THAT(CreateIn(kProd, name), IsOk());
  }
  EXPECT_THAT(catalog_->ListNamespaces(), IsOkAnd(ElementsAre(kProd)));
}

TEST_P(CatalogConformance, DropsAnEmptyNamespace) {
  ASSERT_THAT(catalog_->DropNamespace(kProd), IsOk());
  EXPECT_THAT(catalog_->NamespaceExists(kProd), IsOkAnd(false));
  EXPECT_THAT(catalog_->NamespaceExists({"acme"}), IsOkAnd(false));
  EXPECT_THAT(catalog_->DropNamespace(kProd), IsError(ErrorKind::kNotFound));
}

TEST_P(CatalogConformance, CreatesADroppedNamespaceAgainWithoutItsOldProperties) {
  ASSERT_THAT(catalog_->DropNamespace(kProd), IsOk());
  ASSERT_THAT(catalog_->CreateNamespace(kProd, {}), IsOk());
  EXPECT_THAT(catalog_->NamespaceProperties(kProd), IsOkAnd(IsEmpty()));
}

TEST_P(CatalogConformance, KeepsANamespaceThatHoldsATable) {
  ASSERT_THAT(CreateIn(kProd, "logs"), IsOk());
  EXPECT_THAT(catalog_->DropNamespace(kProd), IsErrorSaying(ErrorKind::kConflict, "not empty"));
  EXPECT_THAT(catalog_->MetadataLocation(Table("logs")), IsOkAnd("0"));
  ASSERT_THAT(catalog_->DropTable(Table("logs")), IsOk());
  EXPECT_THAT(catalog_->DropNamespace(kProd), IsOk());
}

TEST_P(CatalogConformance, KeepsANamespaceThatHoldsANamespace) {
  ASSERT_THAT(catalog_->CreateNamespace({"acme", "prod", "eu"}, {}), IsOk());
  EXPECT_THAT(catalog_->DropNamespace(kProd), IsErrorSaying(ErrorKind::kConflict, "not empty"));
  EXPECT_THAT(catalog_->DropNamespace({"acme"}), IsErrorSaying(ErrorKind::kConflict, "not empty"));
  ASSERT_THAT(catalog_->DropNamespace({"acme", "prod", "eu"}), IsOk());
  EXPECT_THAT(catalog_->DropNamespace(kProd), IsOk());
}

TEST_P(CatalogConformance, DropsANamespaceBesideOneWhoseNameBeginsTheSame) {
  ASSERT_THAT(catalog_->CreateNamespace({"acme", "prod2"}, {{"k", "v"}}), IsOk());
  ASSERT_THAT(CreateIn({"acme", "prod2"}, "t"), IsOk());
  EXPECT_THAT(catalog_->DropNamespace(kProd), IsOk());
  EXPECT_THAT(catalog_->NamespaceProperties({"acme", "prod2"}), IsOkAnd(SizeIs(1)));
}

TEST_P(CatalogConformance, RefusesBadNamespacesEverywhere) {
  for (const Namespace& levels : {Namespace{}, Namespace{""}, Namespace{"a.b"}, Namespace{"a\tb"},
                                  Namespace{std::string(kCatalogNameBytesMax + 1, 'n')}}) {
    SCOPED_TRACE(JoinLevels(levels));
    EXPECT_THAT(catalog_->CreateNamespace(levels, {}), IsError(ErrorKind::kInvalid));
    EXPECT_THAT(catalog_->NamespaceExists(levels), IsError(ErrorKind::kInvalid));
    EXPECT_THAT(catalog_->ListTables(levels), IsError(ErrorKind::kInvalid));
    EXPECT_THAT(catalog_->DropNamespace(levels), IsError(ErrorKind::kInvalid));
    EXPECT_THAT(catalog_->NamespaceProperties(levels), IsError(ErrorKind::kInvalid));
    EXPECT_THAT(catalog_->UpdateNamespaceProperties(levels, {{"k", "v"}}, {}),
                IsError(ErrorKind::kInvalid));
  }
}

TEST_P(CatalogConformance, HoldsANamespaceOfTheLongestName) {
  const Namespace longest = {std::string(kCatalogNameBytesMax, 'n')};
  ASSERT_THAT(catalog_->CreateNamespace(longest, {}), IsOk());
  ASSERT_THAT(CreateIn(longest, std::string(kCatalogNameBytesMax, 't')), IsOk());
  EXPECT_THAT(catalog_->ListNamespaces(), IsOkAnd(Contains(longest)));
}

// --- namespace properties

TEST_P(CatalogConformance, ShowsThePropertiesANamespaceWasCreatedWith) {
  EXPECT_THAT(catalog_->NamespaceProperties(kProd), IsOkAnd(ElementsAre(Pair("owner", "us"))));
}

TEST_P(CatalogConformance, NeverShowsTheReservedProperty) {
  ASSERT_THAT(Update(*catalog_, {{"k", "v"}}), IsOk());
  EXPECT_THAT(catalog_->NamespaceProperties(kProd),
              IsOkAnd(Not(Contains(Pair("exists", ::testing::_)))));
}

TEST_P(CatalogConformance, SetsNewProperties) {
  ASSERT_THAT(Update(*catalog_, {{"a", "1"}, {"b", "2"}}), IsOk());
  EXPECT_THAT(Second()->NamespaceProperties(kProd),
              IsOkAnd(ElementsAre(Pair("a", "1"), Pair("b", "2"), Pair("owner", "us"))));
}

TEST_P(CatalogConformance, ReplacesAPropertyThatIsThere) {
  ASSERT_THAT(Update(*catalog_, {{"owner", "them"}}), IsOk());
  EXPECT_THAT(catalog_->NamespaceProperties(kProd), IsOkAnd(ElementsAre(Pair("owner", "them"))));
}

TEST_P(CatalogConformance, RemovesAProperty) {
  ASSERT_THAT(Update(*catalog_, {}, {"owner"}), IsOk());
  EXPECT_THAT(catalog_->NamespaceProperties(kProd), IsOkAnd(IsEmpty()));
  EXPECT_THAT(catalog_->NamespaceExists(kProd), IsOkAnd(true));
}

TEST_P(CatalogConformance, SetsAndRemovesAtOnce) {
  ASSERT_THAT(Update(*catalog_, {{"new", "1"}}, {"owner"}), IsOk());
  EXPECT_THAT(catalog_->NamespaceProperties(kProd), IsOkAnd(ElementsAre(Pair("new", "1"))));
}

TEST_P(CatalogConformance, RemovesNothingThatIsNotThere) {
  ASSERT_THAT(Update(*catalog_, {}, {"missing"}), IsOk());
  EXPECT_THAT(catalog_->NamespaceProperties(kProd), IsOkAnd(SizeIs(1)));
}

TEST_P(CatalogConformance, ChangesNoPropertyForAnEmptyUpdate) {
  ASSERT_THAT(Update(*catalog_, {}), IsOk());
  EXPECT_THAT(catalog_->NamespaceProperties(kProd), IsOkAnd(SizeIs(1)));
}

TEST_P(CatalogConformance, RefusesAPropertyBothSetAndRemoved) {
  EXPECT_THAT(Update(*catalog_, {{"k", "v"}}, {"k"}), IsErrorSaying(ErrorKind::kInvalid, "both"));
}

TEST_P(CatalogConformance, RefusesToTouchTheReservedProperty) {
  EXPECT_THAT(Update(*catalog_, {{"exists", "no"}}), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(Update(*catalog_, {}, {"exists"}), IsError(ErrorKind::kInvalid));
}

TEST_P(CatalogConformance, ChangesNoPropertyOfAMissingNamespace) {
  EXPECT_THAT(catalog_->UpdateNamespaceProperties({"other"}, {{"k", "v"}}, {}),
              IsError(ErrorKind::kNotFound));
  EXPECT_THAT(catalog_->NamespaceExists({"other"}), IsOkAnd(false));
}

TEST_P(CatalogConformance, HoldsPropertiesUpToTheLimits) {
  const std::string key(kCatalogNameBytesMax, 'k');
  const std::string value(kNamespacePropertyBytesMax, 'v');
  ASSERT_THAT(Update(*catalog_, {{key, value}, {"empty", ""}}), IsOk());
  EXPECT_THAT(catalog_->NamespaceProperties(kProd), IsOkAnd(Contains(Pair(key, value))));
  EXPECT_THAT(catalog_->NamespaceProperties(kProd), IsOkAnd(Contains(Pair("empty", ""))));
  EXPECT_THAT(Update(*catalog_, {{key + "k", ""}}), IsError(ErrorKind::kInvalid));
  EXPECT_THAT(Update(*catalog_, {{"k", value + "v"}}), IsError(ErrorKind::kInvalid));
}

TEST_P(CatalogConformance, HoldsPropertiesThatLookLikeSqlOrAreNotAscii) {
  const Properties odd = {{"'; DROP TABLE x", "$1 ? %s"}, {"größe", "日本語 🚀"}};
  ASSERT_THAT(Update(*catalog_, odd, {"owner"}), IsOk());
  EXPECT_THAT(catalog_->NamespaceProperties(kProd), IsOkAnd(odd));
}

TEST_P(CatalogConformance, KeepsThePropertiesOfNamespacesApart) {
  ASSERT_THAT(catalog_->CreateNamespace({"acme", "prod", "eu"}, {{"owner", "eu"}}), IsOk());
  ASSERT_THAT(Update(*catalog_, {{"owner", "all"}}), IsOk());
  EXPECT_THAT(catalog_->NamespaceProperties({"acme", "prod", "eu"}),
              IsOkAnd(ElementsAre(Pair("owner", "eu"))));
}

TEST_P(CatalogConformance, GivesAnImpliedParentProperties) {
  EXPECT_THAT(catalog_->NamespaceProperties({"acme"}), IsOkAnd(IsEmpty()));
  ASSERT_THAT(catalog_->UpdateNamespaceProperties({"acme"}, {{"k", "v"}}, {}), IsOk());
  EXPECT_THAT(catalog_->NamespaceProperties({"acme"}), IsOkAnd(SizeIs(1)));
  EXPECT_THAT(catalog_->ListNamespaces(), IsOkAnd(ElementsAre(Namespace{"acme"}, kProd)));
}

// --- rename

TEST_P(CatalogConformance, RenamesATable) {
  ASSERT_THAT(CommitOne(Create(Table("old"), "m0")), IsOk());
  ASSERT_THAT(catalog_->RenameTable(Table("old"), Table("new")), IsOk());
  EXPECT_THAT(catalog_->MetadataLocation(Table("old")), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(Second()->MetadataLocation(Table("new")), IsOkAnd("m0"));
  EXPECT_THAT(catalog_->ListTables(kProd), IsOkAnd(ElementsAre(Table("new"))));
}

TEST_P(CatalogConformance, CommitsToARenamedTableByItsNewNameOnly) {
  ASSERT_THAT(CommitOne(Create(Table("old"), "m0")), IsOk());
  ASSERT_THAT(catalog_->RenameTable(Table("old"), Table("new")), IsOk());
  EXPECT_THAT(CommitOne(Swap(Table("old"), "m0", "m1")), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(CommitOne(Swap(Table("new"), "m0", "m1")), IsOk());
}

TEST_P(CatalogConformance, RenamesIntoAnotherNamespace) {
  ASSERT_THAT(catalog_->CreateNamespace({"other"}, {}), IsOk());
  ASSERT_THAT(CreateIn(kProd, "t"), IsOk());
  const TableIdentifier moved{.levels = {"other"}, .name = "t"};
  ASSERT_THAT(catalog_->RenameTable(Table("t"), moved), IsOk());
  EXPECT_THAT(catalog_->MetadataLocation(moved), IsOkAnd("0"));
  EXPECT_THAT(catalog_->ListTables(kProd), IsOkAnd(IsEmpty()));
}

TEST_P(CatalogConformance, RenamesNothingIntoAMissingNamespace) {
  ASSERT_THAT(CreateIn(kProd, "t"), IsOk());
  EXPECT_THAT(catalog_->RenameTable(Table("t"), {.levels = {"other"}, .name = "t"}),
              IsErrorSaying(ErrorKind::kNotFound, "namespace"));
  EXPECT_THAT(catalog_->MetadataLocation(Table("t")), IsOkAnd("0"));
}

TEST_P(CatalogConformance, RenamesNoMissingTable) {
  EXPECT_THAT(catalog_->RenameTable(Table("old"), Table("new")), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(catalog_->ListTables(kProd), IsOkAnd(IsEmpty()));
}

TEST_P(CatalogConformance, RenamesOntoNoOtherTable) {
  ASSERT_THAT(CommitOne(Create(Table("a"), "a0")), IsOk());
  ASSERT_THAT(CommitOne(Create(Table("b"), "b0")), IsOk());
  EXPECT_THAT(catalog_->RenameTable(Table("a"), Table("b")),
              IsErrorSaying(ErrorKind::kConflict, "exists"));
  EXPECT_THAT(catalog_->MetadataLocation(Table("a")), IsOkAnd("a0"));
  EXPECT_THAT(catalog_->MetadataLocation(Table("b")), IsOkAnd("b0"));
}

TEST_P(CatalogConformance, RenamesNoTableToItself) {
  ASSERT_THAT(CreateIn(kProd, "a"), IsOk());
  EXPECT_THAT(catalog_->RenameTable(Table("a"), Table("a")), IsError(ErrorKind::kInvalid));
}

TEST_P(CatalogConformance, RenamesBackAndForth) {
  ASSERT_THAT(CreateIn(kProd, "a"), IsOk());
  ASSERT_THAT(catalog_->RenameTable(Table("a"), Table("b")), IsOk());
  ASSERT_THAT(catalog_->RenameTable(Table("b"), Table("a")), IsOk());
  EXPECT_THAT(catalog_->MetadataLocation(Table("a")), IsOkAnd("0"));
}

TEST_P(CatalogConformance, LetsTheOldNameBeUsedAfterARename) {
  ASSERT_THAT(CommitOne(Create(Table("a"), "first")), IsOk());
  ASSERT_THAT(catalog_->RenameTable(Table("a"), Table("b")), IsOk());
  ASSERT_THAT(CommitOne(Create(Table("a"), "second")), IsOk());
  EXPECT_THAT(catalog_->MetadataLocation(Table("b")), IsOkAnd("first"));
}

TEST_P(CatalogConformance, TellsUpperFromLowerCaseWhenRenaming) {
  ASSERT_THAT(CreateIn(kProd, "logs"), IsOk());
  ASSERT_THAT(catalog_->RenameTable(Table("logs"), Table("LOGS")), IsOk());
  EXPECT_THAT(catalog_->ListTables(kProd), IsOkAnd(ElementsAre(Table("LOGS"))));
}

TEST_P(CatalogConformance, RefusesToRenameToNamesItCannotHold) {
  ASSERT_THAT(CreateIn(kProd, "t"), IsOk());
  for (const std::string& name :
       std::vector<std::string>{"", "a.b", "a\nb", std::string(kCatalogNameBytesMax + 1, 'n')}) {
    EXPECT_THAT(catalog_->RenameTable(Table("t"), Table(name)), IsError(ErrorKind::kInvalid));
    EXPECT_THAT(catalog_->RenameTable(Table(name), Table("t2")), IsError(ErrorKind::kInvalid));
  }
  EXPECT_THAT(catalog_->MetadataLocation(Table("t")), IsOkAnd("0"));
}

// --- register: a pointer to metadata that exists already

TEST_P(CatalogConformance, RegistersDroppedMetadataUnderANewName) {
  ASSERT_THAT(CommitOne(Create(Table("a"), "m7")), IsOk());
  ASSERT_THAT(catalog_->DropTable(Table("a")), IsOk());
  ASSERT_THAT(CommitOne(Create(Table("b"), "m7")), IsOk());
  EXPECT_THAT(catalog_->MetadataLocation(Table("b")), IsOkAnd("m7"));
}

TEST_P(CatalogConformance, RegistersOverNoExistingTable) {
  ASSERT_THAT(CommitOne(Create(Table("a"), "m0")), IsOk());
  EXPECT_THAT(CommitOne(Create(Table("a"), "m9")), IsError(ErrorKind::kConflict));
  EXPECT_THAT(catalog_->MetadataLocation(Table("a")), IsOkAnd("m0"));
}

// --- odd names

TEST_P(CatalogConformance, TakesLikeWildcardsInNamespacesLiterally) {
  ASSERT_THAT(catalog_->CreateNamespace({"a_b"}, {}), IsOk());
  ASSERT_THAT(catalog_->CreateNamespace({"100%"}, {}), IsOk());
  ASSERT_THAT(catalog_->CreateNamespace({"a!"}, {}), IsOk());
  for (const std::string& other : std::vector<std::string>{"axb", "100", "1000", "a", "a!!", "%"}) {
    EXPECT_THAT(catalog_->NamespaceExists({other}), IsOkAnd(false)) << other;
  }
}

TEST_P(CatalogConformance, TakesLikeWildcardsForNoChildOfAnother) {
  ASSERT_THAT(catalog_->CreateNamespace({"axb", "inner"}, {}), IsOk());
  ASSERT_THAT(catalog_->CreateNamespace({"a_b"}, {}), IsOk());
  EXPECT_THAT(catalog_->DropNamespace({"a_b"}), IsOk());
  EXPECT_THAT(catalog_->NamespaceExists({"axb", "inner"}), IsOkAnd(true));
}

TEST_P(CatalogConformance, TellsUpperFromLowerCase) {
  ASSERT_THAT(catalog_->CreateNamespace({"ACME", "prod"}, {}), IsOk());
  ASSERT_THAT(CreateIn(kProd, "t"), IsOk());
  ASSERT_THAT(CreateIn(kProd, "T"), IsOk());
  EXPECT_THAT(catalog_->ListTables(kProd), IsOkAnd(ElementsAre(Table("T"), Table("t"))));
  EXPECT_THAT(catalog_->ListTables({"ACME", "prod"}), IsOkAnd(IsEmpty()));
}

TEST_P(CatalogConformance, HoldsNamesInManyScripts) {
  const std::vector<std::string> names = {"größe", "日本語", "тест", "🚀", "e\u0301", "\u00e9"};
  for (const std::string& name : names) {
    ASSERT_THAT(catalog_->CreateNamespace({name}, {}), IsOk()) << name;
    ASSERT_THAT(CommitOne(Create({.levels = {name}, .name = name}, name)), IsOk()) << name;
  }
  for (const std::string& name : names) {
    EXPECT_THAT(catalog_->MetadataLocation({.levels = {name}, .name = name}), IsOkAnd(name));
  }
}

TEST_P(CatalogConformance, OrdersTablesByBytesWhateverTheLanguage) {
  for (const std::string& name : std::vector<std::string>{"b", "a", "B", "ä", "_", "a b"}) {
    ASSERT_THAT(CreateIn(kProd, name), IsOk());
  }
  EXPECT_THAT(catalog_->ListTables(kProd),
              IsOkAnd(ElementsAre(Table("B"), Table("_"), Table("a"), Table("a b"), Table("b"),
                                  Table("ä"))));
}

TEST_P(CatalogConformance, HoldsSlashesSpacesAndQuotes) {
  for (const std::string& name :
       std::vector<std::string>{"a/b", " lead", "trail ", "it's", "`x`", "a\\b", "?", "$1", "--"}) {
    ASSERT_THAT(catalog_->CreateNamespace({name, "x"}, {}), IsOk()) << name;
    ASSERT_THAT(CreateIn({name, "x"}, name), IsOk()) << name;
    EXPECT_THAT(catalog_->ListTables({name, "x"}), IsOkAnd(SizeIs(1))) << name;
  }
}

TEST_P(CatalogConformance, KeepsTrailingSpacesApart) {
  ASSERT_THAT(CommitOne(Create(Table("t"), "plain")), IsOk());
  ASSERT_THAT(CommitOne(Create(Table("t "), "spaced")), IsOk());
  EXPECT_THAT(catalog_->MetadataLocation(Table("t")), IsOkAnd("plain"));
}

TEST_P(CatalogConformance, HoldsLongNamesOfManyByteCharacters) {
  std::string name;
  while (name.size() + 3 <= kCatalogNameBytesMax) name += "語";
  ASSERT_THAT(CreateIn(kProd, name), IsOk());
  EXPECT_THAT(catalog_->ListTables(kProd), IsOkAnd(ElementsAre(Table(name))));
}

// --- tables, once more

TEST_P(CatalogConformance, ListsNoTableOfANamespaceThatOnlyItsChildrenHave) {
  ASSERT_THAT(catalog_->CreateNamespace({"acme", "prod", "eu"}, {}), IsOk());
  ASSERT_THAT(CreateIn({"acme", "prod", "eu"}, "t"), IsOk());
  EXPECT_THAT(catalog_->ListTables(kProd), IsOkAnd(IsEmpty()));
}

TEST_P(CatalogConformance, KeepsTablesOfOneNameInTwoNamespacesApart) {
  ASSERT_THAT(catalog_->CreateNamespace({"acme", "test"}, {}), IsOk());
  const TableIdentifier test{.levels = {"acme", "test"}, .name = "t"};
  ASSERT_THAT(CommitOne(Create(Table("t"), "p")), IsOk());
  ASSERT_THAT(CommitOne(Create(test, "q")), IsOk());
  ASSERT_THAT(catalog_->DropTable(test), IsOk());
  EXPECT_THAT(catalog_->MetadataLocation(Table("t")), IsOkAnd("p"));
}

TEST_P(CatalogConformance, KeepsATableAndANamespaceOfOneNameApart) {
  ASSERT_THAT(CreateIn(kProd, "x"), IsOk());
  ASSERT_THAT(catalog_->CreateNamespace({"acme", "prod", "x"}, {}), IsOk());
  EXPECT_THAT(catalog_->ListTables(kProd), IsOkAnd(ElementsAre(Table("x"))));
}

TEST_P(CatalogConformance, ListsAThousandTables) {
  std::vector<PointerUpdate> updates;
  for (std::size_t i = 0; i < kPointerUpdatesMax; ++i) {
    updates.push_back(Create(Table("t" + std::to_string(i)), "0"));
  }
  ASSERT_THAT(catalog_->Commit(updates), IsOk());
  EXPECT_THAT(catalog_->ListTables(kProd), IsOkAnd(SizeIs(kPointerUpdatesMax)));
  updates.push_back(Create(Table("one more"), "0"));
  EXPECT_THAT(catalog_->Commit(updates), IsErrorSaying(ErrorKind::kInvalid, "too many tables"));
}

TEST_P(CatalogConformance, CreatesNothingIfOneOfManyNamespacesIsMissing) {
  const std::vector<PointerUpdate> updates = {Create(Table("a"), "0"),
                                              Create({.levels = {"missing"}, .name = "b"}, "0")};
  EXPECT_THAT(catalog_->Commit(updates), IsError(ErrorKind::kNotFound));
  EXPECT_THAT(catalog_->ListTables(kProd), IsOkAnd(IsEmpty()));
}

TEST_P(CatalogConformance, CommitsOverTwoNamespacesAtOnce) {
  ASSERT_THAT(catalog_->CreateNamespace({"b"}, {}), IsOk());
  const TableIdentifier other{.levels = {"b"}, .name = "t"};
  ASSERT_THAT(catalog_->Commit(std::vector{Create(Table("t"), "0"), Create(other, "0")}), IsOk());
  EXPECT_THAT(catalog_->Commit(std::vector{Swap(Table("t"), "0", "1"), Swap(other, "x", "1")}),
              IsError(ErrorKind::kConflict));
  EXPECT_THAT(catalog_->MetadataLocation(Table("t")), IsOkAnd("0"));
}

TEST_P(CatalogConformance, SwapsToTheSameLocation) {
  ASSERT_THAT(CommitOne(Create(Table("t"), "0")), IsOk());
  EXPECT_THAT(CommitOne(Swap(Table("t"), "0", "0")), IsOk());
}

TEST_P(CatalogConformance, DoesNotFallForAPointerThatCameBack) {
  ASSERT_THAT(CommitOne(Create(Table("t"), "a")), IsOk());
  ASSERT_THAT(CommitOne(Swap(Table("t"), "a", "b")), IsOk());
  EXPECT_THAT(CommitOne(Swap(Table("t"), "a", "c")), IsError(ErrorKind::kConflict));
  ASSERT_THAT(CommitOne(Swap(Table("t"), "b", "a")), IsOk());
  EXPECT_THAT(CommitOne(Swap(Table("t"), "a", "c")), IsOk());
}

TEST_P(CatalogConformance, SaysWhatItFoundInAConflict) {
  ASSERT_THAT(CommitOne(Create(Table("t"), "theirs")), IsOk());
  EXPECT_THAT(CommitOne(Swap(Table("t"), "ours", "next")),
              IsErrorSaying(ErrorKind::kConflict, "found=theirs"));
}

TEST_P(CatalogConformance, DropsATableOnce) {
  ASSERT_THAT(CreateIn(kProd, "t"), IsOk());
  ASSERT_THAT(catalog_->DropTable(Table("t")), IsOk());
  EXPECT_THAT(catalog_->DropTable(Table("t")), IsError(ErrorKind::kNotFound));
}

TEST_P(CatalogConformance, CommitsNothingToADroppedTable) {
  ASSERT_THAT(CreateIn(kProd, "t"), IsOk());
  ASSERT_THAT(Second()->DropTable(Table("t")), IsOk());
  EXPECT_THAT(CommitOne(Swap(Table("t"), "0", "1")), IsError(ErrorKind::kNotFound));
}

TEST_P(CatalogConformance, KeepsTheNamespaceWhenItsLastTableIsDropped) {
  ASSERT_THAT(CreateIn(kProd, "t"), IsOk());
  ASSERT_THAT(catalog_->DropTable(Table("t")), IsOk());
  EXPECT_THAT(catalog_->NamespaceProperties(kProd), IsOkAnd(SizeIs(1)));
}

// --- many at once

/// Runs `body(i)` on several threads at once.
void AtOnce(int threads, const std::function<void(int)>& body) {
  std::vector<std::jthread> running;
  for (int i = 0; i < threads; ++i) running.emplace_back([&body, i] { body(i); });
}

/// Tries again for as long as the catalog is busy: SQLite has one writer.
Status Insist(const std::function<Status()>& call) {
  Status done = call();
  while (!done.has_value() && done.error().kind == ErrorKind::kUnavailable) done = call();
  return done;
}

TEST_P(CatalogConformance, LetsOneOfManyCreateATable) {
  std::atomic<int> created = 0;
  std::atomic<int> refused = 0;
  AtOnce(4, [&](int i) {
    const PointerUpdate update = Create(Table("t"), std::to_string(i));
    const Status done = Insist([&] { return catalog_->Commit({&update, 1}); });
    created += done.has_value();
    refused += !done.has_value() && done.error().kind == ErrorKind::kConflict;
  });
  EXPECT_EQ(created, 1);
  EXPECT_EQ(refused, 3);
}

TEST_P(CatalogConformance, LetsOneOfManyCreateANamespace) {
  std::atomic<int> created = 0;
  std::atomic<int> refused = 0;
  AtOnce(4, [&](int) {
    const Status done = Insist([&] { return catalog_->CreateNamespace({"n"}, {{"k", "v"}}); });
    created += done.has_value();
    refused += !done.has_value() && done.error().kind == ErrorKind::kConflict;
  });
  EXPECT_EQ(created, 1);
  EXPECT_EQ(refused, 3);
}

TEST_P(CatalogConformance, LetsOneOfManyRenameATable) {
  ASSERT_THAT(CreateIn(kProd, "t"), IsOk());
  std::atomic<int> renamed = 0;
  AtOnce(4, [&](int i) {
    renamed += Insist([&] {
                 return catalog_->RenameTable(Table("t"), Table("r" + std::to_string(i)));
               }).has_value();
  });
  EXPECT_EQ(renamed, 1);
  EXPECT_THAT(catalog_->ListTables(kProd), IsOkAnd(SizeIs(1)));
}

TEST_P(CatalogConformance, LetsOneOfManyDropATable) {
  ASSERT_THAT(CreateIn(kProd, "t"), IsOk());
  std::atomic<int> dropped = 0;
  AtOnce(4, [&](int) {
    dropped += Insist([&] { return catalog_->DropTable(Table("t")); }).has_value();
  });
  EXPECT_EQ(dropped, 1);
}

TEST_P(CatalogConformance, NeverTearsCommitsOverTheSameTablesInAnyOrder) {
  ASSERT_THAT(catalog_->Commit(std::vector{Create(Table("a"), "0"), Create(Table("b"), "0")}),
              IsOk());
  std::atomic<int> wrong = 0;
  AtOnce(4, [&](int i) {
    for (int won = 0; won < 10;) {
      const Result<std::string> now = catalog_->MetadataLocation(Table("a"));
      if (!now.has_value()) continue;
      const std::string next = std::to_string(std::stoi(*now) + 1);
      std::vector updates = {Swap(Table("a"), *now, next), Swap(Table("b"), *now, next)};
      if (i % 2 == 1) std::ranges::reverse(updates);
      const Status done = catalog_->Commit(updates);
      won += done.has_value();
      wrong += !done.has_value() && done.error().kind != ErrorKind::kConflict &&
               done.error().kind != ErrorKind::kUnavailable;
    }
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_THAT(catalog_->MetadataLocation(Table("a")), IsOkAnd("40"));
  EXPECT_THAT(catalog_->MetadataLocation(Table("b")), IsOkAnd("40"));
}

TEST_P(CatalogConformance, ShowsReadersEveryCommitWhole) {
  ASSERT_THAT(catalog_->Commit(std::vector{Create(Table("a"), "0"), Create(Table("b"), "0")}),
              IsOk());
  std::atomic<bool> is_done = false;
  std::atomic<int> torn = 0;
  std::jthread reader([&, handle = Second()] {
    while (!is_done) {
      // Written before it is read: b may be ahead of a, never behind.
      const Result<std::string> a = handle->MetadataLocation(Table("a"));
      const Result<std::string> b = handle->MetadataLocation(Table("b"));
      if (a.has_value() && b.has_value()) torn += std::stoi(*b) < std::stoi(*a);
    }
  });
  for (int i = 0; i < 20; ++i) {
    const std::string now = std::to_string(i);
    const std::string next = std::to_string(i + 1);
    ASSERT_THAT(Insist([&] {
                  return catalog_->Commit(
                      std::vector{Swap(Table("a"), now, next), Swap(Table("b"), now, next)});
                }),
                IsOk());
  }
  is_done = true;
  reader.join();
  EXPECT_EQ(torn, 0);
}

}  // namespace
}  // namespace signaldb::testing
