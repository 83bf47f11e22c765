"""The animals of Atanas and Kim et al. 2023, as the laboratory's manifest lists them.

From flavell-lab/WormWideWeb-data, ``activity/raw/atanas_kim_2023.csv``, commit
6482f5014d33a7f63526a86d6ab2a31d0da9abcc: animal, SHA-256 of its HDF5 file, whether a positive head angle is ventral,
what the recording is, and the frames (counted from 1) at which a stimulus begins. Its column ``label`` is true for
those that are ``neuropal`` and for no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["MANIFEST", "Animal"]


@dataclass(frozen=True)
class Animal:
    """One line of the manifest."""

    sha256: str
    positive_is_ventral: bool
    types: tuple[str, ...]
    stimulus_frames: tuple[int, ...]

    @property
    def labelled(self) -> bool:
        """Whether its neurons were identified."""
        return "neuropal" in self.types


_LINES = """
2021-05-26-07 c47b0712e633ec5874997aa3087425dc7ac6b8d42a4b4f98b2a1245794073a03 true baseline
2021-06-11-01 3b10e08cb7068aafa784cf7f482015d7405d3e38079847b9e83d6db11699f1d8 true baseline
2021-08-04-06 5b3123d267ec12e3629feb8d3245e9e4cd040b317e90b9f54dd20aeec1e52cc2 false baseline
2021-08-17-01 99b5975ddea434e5e03510ac380d89ac8d7d4799ab12335555dc0c5cce673eeb true baseline
2021-08-18-01 2080591e161e97d51910065c417232deca63f9e6a37120d3f3b7ca4246029d21 true baseline
2021-09-06-09 a56aef8e892f008cc57dcbfae7f826017a9c00af9f2ccc55e1454c30f9ca149c true heat 391
2021-09-14-01 4ed89cb16cfb299af6881c079e7d68a42eba2bf3f771d841f8970349dd5aa696 true heat 388,0
2021-09-14-05 9ed1e06d0c3ee46f02a2d4c58d758485447045de2c2c75adb0a709900e307fdd false heat 387,0
2021-09-22-05 81ce7050155bf0ae94927952ccb4d846a346e1b0c279b3a2f75e5ba2ffc355ed true baseline
2021-09-23-01 a7ce439e8acdedba79fb1d0d94d7a174db491e1a65beb870ed50958837e46157 true heat 390,0
2021-09-30-01 6f902e06dd9aebb8559a96975d222604cad2a3fbef621bd3815081ec6d6e94c9 false heat 391,0
2021-10-26-01 d3ffbb2d47a417f4c4dd0c52849efc83d132ea96bad85dced60cac889f95204d false baseline
2021-11-12-01 99882723843a46fca162b955737e9dc8486a01bcc29b8d7da9eaef1d575b0cc8 true baseline
2021-11-12-05 146a6d858ca4fd5301ad1a3af1e82421ee14c2dc9e0d0fc97563e155f93c870a false baseline
2022-01-07-03 85ab384f77c2c2104776a77e97dc70ed8922c6848114c18c96cc0170be10e484 true gfp
2022-01-09-01 30b424544c758bb771b5716b1cbdd4e4c02f8cc9fd06fdda0bc26c2cff3f23d0 false baseline
2022-01-17-01 f3689ce044ca0894431a741acaccf98e151e7b6f6f5da932a9267cd5b46dca4d false baseline
2022-02-08-04 868f681ed3883076eb07d42748141c2d4909a9511e8aa880515b755d9aeb3e5e false heat 507
2022-02-16-01 2610ca9f1a0aa16846382abbe3c230b498dd0334906060e66bbbe32d33099d05 false heat 599
2022-02-16-04 e91e637db54ef32ec9bc82411c1d5559d49b45fd9ebadea427896e263d6f4bc4 true heat 604
2022-03-15-04 6b054907fa7e7195762a580de1cc63e939c9c35ae362ec56af0722e8d6873c1d true heat 569
2022-03-16-01 ab143608c2d2f1dcf191dac509528d57cbb7ddd3130bbc8a4c4825e7eb48d665 true gfp
2022-03-16-02 06f46b65b059bcabf98e06a410f78fc324eb644bd13032f07b961e2826168f7d true gfp
2022-03-22-01 beef20d496af1897bce543d2e5ff554e35f67bad23e522687a8e36165806895c true heat 602
2022-04-05-01 1dc1554504570454dd21c577afc8e3bf247d8a82bee3f61ebd41acfb7b4dec11 true baseline
2022-04-12-04 8b2f4dabd3eff68d728bc37ef0ac8786cdcd108c9332b0323b1d8e38b74f9675 true baseline
2022-04-14-04 a5a4ff4cf4c25fe785f65454b19263336d644cfaf175eac11eabbf6660089547 true baseline
2022-04-18-04 56e9295514f55b1b2fac55fae53012b8289f947836fbee6756054f5db5ec652d false heat 602
2022-06-14-01 aabca135ef82e4be6821bf515cd2e936ae2f78014bf2979ed8a10aeaa7c4ac11 true baseline,neuropal
2022-06-14-07 e509f47041d9faf86057832ffe5ab623ffaf2611419b90322bf8d634cfc6c2ec true baseline,neuropal
2022-06-14-13 a87a19529ef8d647d4801abef3d0716d90a9f8294067db63c4a8894893fa7252 true baseline,neuropal
2022-06-28-01 df97fa9d2576f340d874d4ae40d76ed345d1a96cd7e9300a5c844f1584496842 true baseline,neuropal
2022-06-28-07 74bad5e04bbd72c59eb45975c07bb02a066b33db172ad3478a46a85913d31ab4 true baseline,neuropal
2022-07-15-06 fd98a50596e86b06c4c86e56ee9569e74d1bcc4311ee9eec5be9acc9bf85f448 true baseline,neuropal
2022-07-15-12 a151870788b0f1b5e2833594f882f013d5393726415a18a3cd3206a52163038f true baseline,neuropal
2022-07-20-01 9bc1e197491e1e267f2a76dc21670598d7a257ece91fb8214dfdef9c1aa27ca6 true baseline,neuropal
2022-07-26-01 84ef44b1b5bb6d5a74ba694b0133838ae379f54cbe86fc693264881e61c1347c true baseline,neuropal
2022-08-02-01 fdc30fb834fbbc9fc12bac4c36bd122597bcef398b94189cf2a818d363d7ee6a true baseline,neuropal
2022-12-21-06 075123b29ae0496942a8bea33edfb8a020c855a8f7185f07ee82b92d3dcce8f9 true heat,neuropal 804
2023-01-05-01 e6dee56636db4b9c9dc84bc5d6669a5e095321769cd70efd48af918d1e7a9769 true heat,neuropal 802
2023-01-05-18 b1404f05a55d6beaea12e5af433d762b9a4a61bb78c7879a86e92fddaa3185b3 true heat,neuropal 802
2023-01-06-01 05c0ff0b03a8be923a18865c99aeaed66fb4dbd3b2055fbbd775c38afa8c7ba6 true heat,neuropal 802
2023-01-06-08 31c4ac83cd121d852710a0555eaee3a6455ca6f0c336b44828fac99cd749da12 true heat,neuropal 802
2023-01-06-15 ce71516271c5e1d1ba3674982614cc4949195f526f923399e90ba15a6243216a true heat,neuropal 803
2023-01-09-08 4470e5aa031a575e4b48bc0afd317aff5abda36b9fd0378ed125db4d460d7434 true heat,neuropal 802
2023-01-09-15 52636bd88195bce0619e4eef9555a27a61f27f0c88a2666badfc6f6e5458d0d6 true heat,neuropal 803
2023-01-09-22 581504b215401d91a4231787950d0b3a2058c3df48da1cd964c134cd8ead91e7 true heat,neuropal 802
2023-01-09-28 811ab2a3fc3bd792967ad677c7ac6b8f92c0e29c31f021cfa84db34cae96e2a5 true baseline,neuropal
2023-01-10-07 0aacf40d21c574c204d1ad683e86d57cc7cc2de42071d532dbc3ae256519d0ff true heat,neuropal 802
2023-01-10-14 74ee95b13fc9b37068558b32cc2bf1a2a6d1407932ff9326f27722bc63693723 true heat,neuropal 803
2023-01-13-07 d858a3ae9852fb6eb4fa8eca7f25b0f0d4db5789c7066680b5bd89a00212a4f5 true heat,neuropal 802
2023-01-16-01 bf05f27fd97a55d5bc2cfc77d0fe8edf95325320064ee33f3653581d2061bdec true heat,neuropal 803
2023-01-16-08 756b5698e811ea388f06c2e86bf12c9fcbbbd76860184334293a989c3d8f488a true heat,neuropal 803
2023-01-16-15 c3894517459a8059c768b9acfde657d01baf909368ad541e5426e6debd6e42ab true heat,neuropal 802
2023-01-16-22 3005dee0dd49a526ff418b9d995e2f7880c6e2620b27835ba30c68993b149c0e true heat,neuropal 802
2023-01-17-01 edb3df7ee253d58501f6645e9cf50a80ee37ad68aa33478b60514a13a2cc3d51 true baseline,neuropal
2023-01-17-07 bea9a90f104a756f09aed8e22fe52a10f53dbe8ac47d10d6b819dbb69350fcaa true heat,neuropal 802
2023-01-17-14 de69ab3d454b020345ef4556453c1f482681b5eafc9fe89d42b384198071209a true heat,neuropal 802
2023-01-18-01 83a24e06a6c045b6ef9d9da59dc2bccf7300bcf43d0cf95a374d1fb7eebc2d2b true heat,neuropal 802
2023-01-19-01 fc3207951da52fa6186b83259b0c6cccffb1803513eeb5ee6efa7b2212ab7f12 false baseline,neuropal
2023-01-19-08 80b0922aca67c77b48d3d05116efff308060f877b31c1471fab8120fb2c03d17 true baseline,neuropal
2023-01-19-15 8b55cdaea4e02b1287ab194a0e790ddb48c1ca6be8cf0342e128f7d0aa7dbdae false baseline,neuropal
2023-01-19-22 727ed035454485d9728fa4f946259454c979534543188358caf63de55b5a84bc true baseline,neuropal
2023-01-23-01 6a415a6a18123cc160d2841c4aada05cc9afd0fea5c86138ae68764367ac9861 true baseline,neuropal
2023-01-23-08 ad514f3e768f908c41ea416f68f73c585e81db63dd2b4b324b440949d368edd9 true baseline,neuropal
2023-01-23-15 090a6cd463c64074100d099bd2d098e852a389b656f9ad46120689db0d16d3ef true baseline,neuropal
2023-01-23-21 e124994f82c6ffd05671f53762bce165f04238dcab46c976ed28a857ee7a47b4 true baseline,neuropal
2023-03-07-01 e4e9786717c0963e919f67b1c02f91cf435c249cff6af217c25192346a1fbf54 true baseline,neuropal
"""


def _animals() -> dict[str, Animal]:
    animals = {}
    for line in _LINES.split("\n")[1:-1]:
        uid, sha256, ventral, types, *frames = line.split(" ")
        stimulus = tuple(int(frame) for frame in frames[0].split(",")) if frames else ()
        animals[uid] = Animal(sha256, ventral == "true", tuple(types.split(",")), stimulus)
    return animals


MANIFEST: Mapping[str, Animal] = MappingProxyType(_animals())
"""Animal to what the manifest says of it."""
