from helpers.data.standins import FOLDER
from tools.standins import write_all

write_all(FOLDER)
